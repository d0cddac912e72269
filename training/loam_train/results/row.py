"""One task's numbers, taken from what the engine and the baselines wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from .tasks import ERRORS, Task, parity, reached

OUT_OF_SCOPE = ("oos", "out_of_scope")


@dataclass(frozen=True)
class Score:
    """One way to do the task; per cent."""

    value: float
    error: float = 0.0
    """Standard error of the value."""
    latency: float = 0.0
    """Median milliseconds."""
    bytes: int = 0
    what: str = ""
    """The model, where it is not clear."""


@dataclass(frozen=True)
class Row:
    """All ways that were measured."""

    task: Task
    examples: int = 0
    classes: int = 0
    baseline: Score | None = None
    zero_shot: Score | None = None
    few: Score | None = None
    adapter: Score | None = None
    share: float = 0.0
    """The adapter's parameters by those of its component."""
    torch: float | None = None
    """The adapter's score in torch, on the same number of rows."""

    @property
    def chance(self) -> float | None:
        """Of guessing, per cent; `None` where there are no classes."""
        return 100 / self.classes if self.classes else None

    @property
    def parity(self) -> bool | None:
        """Whether the adapter is on a par; `None` without either score."""
        if self.adapter is None or self.baseline is None:
            return None
        return parity(self.task, self.adapter.value, self.baseline.value)

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; `None` without a goal or a score."""
        return reached(self.task, self.adapter.value) if self.adapter and self.task.goal else None


def of_engine(answer: dict[str, Any], way: str, metric: str, where: Path) -> Score:
    """The score in an answer of `loam eval`.

    Raises:
        InputError: for an answer without it.
    """
    found = answer.get(way)
    metrics = found.get("metrics", {}) if isinstance(found, dict) else {}
    if not isinstance(metrics.get(metric), int | float):
        raise InputError(where, f"{way}: {metric} is missing in what the engine wrote, there are {', '.join(metrics)}")
    package = answer.get("adapter") or {}
    assert isinstance(found, dict)
    return Score(
        value=round(100 * metrics[metric], 2),
        error=round(100 * metrics.get(f"{metric}_error", 0.0), 2),
        latency=found.get("latency_ms", {}).get("median", 0.0),
        bytes=package.get("bytes", 0) if way == "with" else 0,
        what=found.get("scored_by", ""),
    )


def of_baseline(result: dict[str, Any], metric: str, where: Path) -> Score:
    """The score of the model that the validation part chose.

    Raises:
        InputError: for a metric that baselines do not have.
    """
    model = next(one for one in result["models"] if one["name"] == result["chosen"])
    if metric in ("accuracy", "exact", "exact_normalised"):
        value = model["accuracy"]
    elif metric == "macro_f1":
        value = model["macro_f1"]
    elif metric == "in_scope_accuracy":
        rows = {label: answers for label, answers in model["confusion"].items() if label not in OUT_OF_SCOPE}
        right = sum(answers.get(label, 0) for label, answers in rows.items())
        value = round(100 * right / sum(sum(answers.values()) for answers in rows.values()), 2)
    else:
        raise InputError(where, f"a baseline has no {metric}")
    return Score(value, latency=model["latency_ms"], bytes=model["bytes"], what=model["name"])


def torch_score(answer: dict[str, Any], metric: str) -> float | None:
    """What training measured on as many rows, in per cent; `None` where it was another number of rows."""
    metrics = (answer.get("adapter") or {}).get("metrics") or {}
    if metric not in metrics or metrics.get("test_rows") != answer["data"]["examples"]:
        return None
    found: float = round(metrics[metric] * (1 if metric in ERRORS and metrics[metric] > 1 else 100), 2)
    return found
