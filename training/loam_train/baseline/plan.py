"""The list of tasks whose baselines are measured one after the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from .. import table
from ..towers.run import MODALITIES
from . import sources
from .command import ROWS
from .problem import Problem


@dataclass(frozen=True)
class Task:
    """One task."""

    name: str
    minutes: float
    """Of computing by one thread."""
    folder: str = ""
    """A data folder below `folders`."""
    tower: str = ""
    """Instead: the modality whose run names the set."""
    set: str = ""
    rows: int = ROWS
    """Rows that the text encoder is fine-tuned on, at most."""


@dataclass(frozen=True)
class Plan:
    """All of them, in the order in which they are measured."""

    tasks: list[Task]


def read(path: Path) -> Plan:
    """Reads and checks.

    Raises:
        InputError: naming the task and its value.
    """
    plan = table.fill(Plan, table.read(path), path)

    refuse = table.needing(path)

    def need(held: bool, task: Task, key: str, expected: str) -> None:
        refuse(held, f"{task.name}: {key}", getattr(task, key), expected)

    names = [task.name for task in plan.tasks]
    for task in plan.tasks:
        own = names.count(task.name) == 1 and "/" not in task.name and bool(task.name)
        need(own, task, "name", "a name of its own")
        need(task.minutes > 0, task, "minutes", "a positive number")
        need(task.rows >= 10, task, "rows", "at least 10")
        need(bool(task.folder) != bool(task.tower), task, "folder", "a folder, or tower and set instead of it")
        need(not task.tower or task.tower in MODALITIES, task, "tower", " or ".join(MODALITIES))
        need(bool(task.tower) == bool(task.set), task, "set", "a set of the tower's run")
    return plan


def problem(task: Task, folders: Path, root: Path) -> Problem:
    """Reads the task's data; `folders` holds data folders, `root` the published sets."""
    if task.tower:
        found = sources.from_set(sources.run_file(task.tower), task.set, root)
    else:
        found = sources.from_folder(folders / task.folder)
    return replace(found, name=task.name)
