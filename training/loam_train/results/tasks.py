"""The list of tasks that the table has, as its TOML file describes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from .. import table
from ..errors import InputError

POINTS = 1.0
"""A score in per cent may be that much below the baseline's and still be on a par."""
RELATIVE = 0.02
"""The same for error rates and scores of texts, as a share of the baseline's."""
ERRORS = ("wer", "cer")
TEXTS = ("chrf", "rouge_l", "token_f1")
METRICS = ("accuracy", "in_scope_accuracy", "macro_f1", "exact", "exact_normalised", *TEXTS, *ERRORS)


@dataclass(frozen=True)
class Task:
    """One row of the table."""

    name: str
    title: str
    folder: str
    """Of its data, below the data folders."""
    component: str
    """What the adapter acts on."""
    adapter: str = ""
    """The package's file, relative to the repository, or below the cache with `cache:` before it; empty for none."""
    baseline: str = ""
    """The name of the baseline's result; empty for none."""
    metric: str = "accuracy"
    goal: float = 0.0
    """In per cent; 0 for none."""
    limit: int = 0
    """Rows of the test split that are scored, spread evenly; 0 for all."""
    zero_shot: bool = True
    few: str = ""
    """The encoder whose frozen embedding the 16-shot head reads; empty for no such head."""
    reason: str = ""
    """Why there is no parity, and what was tried."""

    @property
    def falling(self) -> bool:
        """Whether less is better."""
        return self.metric in ERRORS


@dataclass(frozen=True)
class Tasks:
    """All of them, in the table's order."""

    tasks: list[Task]
    notes: list[str] = field(default_factory=list)
    """Sentences below the table."""


def read(path: Path) -> Tasks:
    """Reads and checks.

    Raises:
        InputError: naming the task and its value.
    """
    found = table.fill(Tasks, table.read(path), path)
    names = [task.name for task in found.tasks]

    def need(held: bool, task: Task, key: str, expected: str) -> None:
        if not held:
            raise InputError(path, f"{task.name}: {key} is {getattr(task, key)!r}, expected {expected}")

    for task in found.tasks:
        own = names.count(task.name) == 1 and "/" not in task.name and bool(task.name)
        need(own, task, "name", "a name of its own")
        need(task.metric in METRICS, task, "metric", " or ".join(METRICS))
        need(0 <= task.goal <= 100, task, "goal", "0 to 100")
        need(task.limit >= 0, task, "limit", "0 or more")
    return found


def parity(task: Task, adapter: float, baseline: float) -> bool:
    """Whether the adapter is within the tolerance, both in per cent."""
    if task.falling:
        return adapter <= baseline * (1 + RELATIVE)
    if task.metric in TEXTS:
        return adapter >= baseline * (1 - RELATIVE)
    # Both are rounded to hundredths.
    return adapter >= baseline - POINTS - 1e-9


def reached(task: Task, score: float) -> bool:
    """Whether the goal is."""
    return score <= task.goal if task.falling else score >= task.goal
