"""`results`: every task's numbers through the engine, and the page and picture that are made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from tqdm import tqdm

from .. import places
from ..baseline import record
from ..errors import InputError
from ..machine import processor
from . import chart, few, page, summary
from .evaluation import Evaluator
from .row import Row, Score, of_baseline, of_engine, torch_score
from .tasks import Task, Tasks

_CACHE = "cache:"


@dataclass(frozen=True)
class Places:
    """Where things are read."""

    folders: Path
    baselines: Path
    work: Path


def package(task: Task) -> Path | None:
    """The adapter's file, where it is there."""
    if not task.adapter:
        return None
    below = places.cache() if task.adapter.startswith(_CACHE) else places.ROOT
    path = below / task.adapter.removeprefix(_CACHE)
    return path if path.exists() else None


def measure(task: Task, at: Places, evaluator: Evaluator) -> Row:
    """All numbers of a task that can be had; what is missing stays empty.

    Raises:
        InputError: for data that is not there, and with what the engine says.
    """
    data = at.folders / task.folder
    if not data.exists():
        raise InputError(data, f"no data of task {task.name}; `python -m loam_train folders {at.folders}` writes it")
    baseline = _baseline(task, at)
    answers: dict[str, dict[str, Any]] = {}
    adapter = package(task)
    if adapter is not None:
        answers["adapter"] = evaluator.score(f"{task.name}.adapter", adapter, data, "with", task.limit)
    if task.zero_shot:
        answers["zero_shot"] = evaluator.score(f"{task.name}.zero", None, data, "without", task.limit)
    if task.few:
        head = few.ready(at.work / "few" / f"{task.name}.safetensors", data, evaluator.foundation, task.few)
        answers["few"] = evaluator.score(f"{task.name}.few", head, data, "with", task.limit)
    scores: dict[str, Score] = {
        name: of_engine(answer, "without" if name == "zero_shot" else "with", task.metric, data)
        for name, answer in answers.items()
    }
    told: dict[str, Any] = next(iter(answers.values()))["data"] if answers else {}
    own = answers.get("adapter")
    return Row(
        task,
        examples=told.get("examples", 0),
        classes=len(told.get("labels") or []),
        baseline=baseline,
        share=(own.get("adapter") or {}).get("parameter_share", 0.0) if own else 0.0,
        torch=torch_score(own, task.metric) if own else None,
        **scores,
    )


def _baseline(task: Task, at: Places) -> Score | None:
    path = at.baselines / f"{task.baseline}.json"
    result = record.read(path) if task.baseline else None
    return of_baseline(result, task.metric, path) if result and result["models"] else None


def run(tasks: Tasks, chosen: Sequence[str], at: Places, evaluator: Evaluator, out: Path, command: str) -> list[Row]:
    """Measures what changed since the last time, and writes `RESULTS.md` and `results.svg` into `out`.

    With `chosen`, the page has these tasks alone.
    """
    wanted = [task for task in tasks.tasks if not chosen or task.name in chosen]
    rows = [measure(task, at, evaluator) for task in tqdm(wanted, desc="results", unit="task")]
    page.write(out / "RESULTS.md", rows, command, machine(evaluator), date.today().isoformat(), tasks.notes)
    summary.write(out / "results.json", rows)
    chart.draw(rows, out / "results.svg")
    return rows


def machine(evaluator: Evaluator) -> str:
    """The processor and the foundation."""
    return f"{processor()}; foundation {evaluator.foundation.name}"
