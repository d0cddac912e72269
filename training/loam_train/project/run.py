"""One training run of a projector, as its TOML file describes it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from .. import table


@dataclass(frozen=True)
class Captions:
    """What is asked of an input whose class is known, and what the answer is."""

    questions: list[str]
    """The engine's own request for a description is the first."""
    answer: str
    """`{}` stands for the words of the class."""
    share: float
    """Of the batches' rows; the others are the questions of `answers`."""


@dataclass(frozen=True)
class Run:
    """All of it."""

    name: str
    tower: str
    """The tower's component, and the name of its run: whose sets, words and preparation are used."""
    tokens: int
    """Soft tokens of an input."""
    inner: int
    captions: Captions
    instructions: list[str]
    """System messages that questions come with, in turn; an empty one is the backbone's own."""
    seed: int
    minutes: float
    """Of computing."""
    steps: int
    batch: int
    learning_rate: float
    answers: str = ""
    """A data folder of questions, below the folders' root."""
    weights: dict[str, float] = field(default_factory=dict)
    """How often a set's inputs are drawn; 1 where it is not named."""

    def digest(self) -> str:
        """Equal for runs whose checkpoints fit each other."""
        values = dataclasses.asdict(self)
        del values["steps"], values["minutes"]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def read(path: Path) -> Run:
    """Reads and checks.

    Raises:
        InputError: naming the key and its value.
    """
    run = table.fill(Run, table.read(path), path)
    need = table.needing(path)
    for key in ("tokens", "inner", "minutes", "steps", "batch", "learning_rate"):
        need(getattr(run, key) > 0, key, getattr(run, key), "a positive number")
    need(bool(run.instructions), "instructions", run.instructions, "at least one, which may be empty")
    need(bool(run.captions.questions), "captions.questions", run.captions.questions, "at least one")
    need(run.captions.answer.count("{}") == 1, "captions.answer", run.captions.answer, "one '{}' for the class")
    need(0 < run.captions.share <= 1, "captions.share", run.captions.share, "more than 0, at most 1")
    need(bool(run.answers) or run.captions.share == 1, "answers", run.answers, "a folder, as captions.share is below 1")
    return run
