"""`baseline`: every kind of model that suits a task, chosen on the validation part, scored once on the test part."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import torch

from ..clock import computed
from ..errors import InputError
from . import record
from .candidate import Candidate, accuracy, confusion, latency, macro_f1
from .forest import Forest
from .networks import Convolutions, Questions, Recurrent
from .problem import Problem
from .sentence import Sentences
from .words import Words

MINUTES = 3.0
ROWS = 10_000
"""That the text encoder is fine-tuned on, at most."""


@dataclass(frozen=True)
class Budget:
    """What a task's baselines may cost."""

    minutes: float
    """Of computing by one thread, for all models together."""
    rows: int = ROWS


def candidates(problem: Problem, budget: Budget, encoder: Path) -> list[Candidate]:
    """The kinds of models for a problem, the cheapest first."""
    if problem.kind == "text":
        return [Words(), Sentences(encoder, budget.rows)]
    if problem.kind == "imu":
        return [Forest(), Convolutions(problem), Recurrent()]
    return [Questions(problem)] if problem.kind == "question" else [Convolutions(problem)]


def run(
    problem: Problem, budget: Budget, encoder: Path, work: Path, out: Path, only: Sequence[str] = ()
) -> dict[str, Any]:
    """Measures, or goes on where it stopped, and gives what it wrote to `out`; `only` names models to be measured now.

    Raises:
        InputError: for a result or checkpoint of other data, and for a name in `only` that is no model of this task.
    """
    found = candidates(problem, budget, encoder)
    unknown = [name for name in only if name not in [one.name for one in found]]
    if unknown:
        known = ", ".join(one.name for one in found)
        raise InputError(problem.path, f"{unknown[0]!r} is no model for it, known are {known}")
    key = _key(problem, budget)
    parts = work / "checkpoints" / "baselines"
    models: list[dict[str, Any]] = []
    total = sum(one.weight for one in found)
    for candidate in found:
        path = parts / f"{problem.name}.{candidate.name}.json"
        done = record.read(path)
        if done is None or done["key"] != key:
            if only and candidate.name not in only:
                continue
            seconds = 60 * budget.minutes * candidate.weight / max(total, 1e-9)
            done = {"schema": record.SCHEMA, "key": key, "model": _measure(candidate, problem, seconds, parts)}
            record.write(path, done)
            for checkpoint in parts.glob(f"{problem.name}.{candidate.name}*.pt"):
                checkpoint.unlink()
        models.append(done["model"])
    result = _result(problem, budget, key, models, len(models) == len(found))
    record.write(out, result)
    return result


def _measure(candidate: Candidate, problem: Problem, seconds: float, work: Path) -> dict[str, Any]:
    begun = computed()
    choice = candidate.choose(problem, seconds, work)
    model = candidate.fit(problem, choice, seconds, work)
    spent = computed() - begun
    predicted, truth = model.predict(problem.test), problem.test.classes
    return {
        "name": candidate.name,
        "accuracy": round(accuracy(predicted, truth), 2),
        "macro_f1": round(macro_f1(predicted, truth), 2),
        "valid_accuracy": round(choice.accuracy, 2),
        "settings": choice.settings,
        "tried": choice.tried,
        "seconds": round(spent, 1),
        "parameters": model.parameters(),
        "bytes": model.size(),
        "latency_ms": round(latency(model, problem.test), 3),
        "confusion": confusion(predicted, truth, problem.labels),
    }


def _result(problem: Problem, budget: Budget, key: str, models: list[dict[str, Any]], complete: bool) -> dict[str, Any]:
    """The file's content; `chosen` is the best model on the validation part."""
    chosen = max(models, key=lambda one: float(one["valid_accuracy"]))["name"] if models else None
    truth = problem.test.classes
    return {
        "schema": record.SCHEMA,
        "name": problem.name,
        "kind": problem.kind,
        "labels": list(problem.labels),
        "rows": {"train": len(problem.train), "valid": len(problem.valid), "test": len(problem.test)},
        "majority": round(100 * float(truth.bincount().max()) / len(truth), 2),
        "key": key,
        "complete": complete,
        "minutes": budget.minutes,
        "most_rows": budget.rows if problem.kind == "text" else None,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "torch": torch.__version__,
        "date": date.today().isoformat(),
        "chosen": chosen,
        "models": models,
    }


def _key(problem: Problem, budget: Budget) -> str:
    """Equal where a result would be."""
    values = [problem.digest(), budget.minutes, budget.rows if problem.kind == "text" else 0]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()
