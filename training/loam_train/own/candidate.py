"""What a model of one task is asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..adapter.scores import texts as scored


@dataclass(frozen=True)
class Pair:
    """A row of a set whose answers are texts."""

    text: str
    outputs: tuple[str, ...]
    """All that are right, at least one."""


class Model(ABC):
    """A model that has learned."""

    @abstractmethod
    def answers(self, texts: Sequence[str]) -> list[str]:
        """An answer to each text."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Bytes of what a device would have to store, numbers in fp16."""


class Candidate(ABC):
    """A kind of model."""

    name: ClassVar[str]

    @abstractmethod
    def learn(self, rows: Sequence[Pair], seconds: float, seed: int) -> Model:
        """Learns from `rows` for at most so many seconds of computing."""


@dataclass(frozen=True)
class Chosen:
    """The kind that was best on rows kept back, taught once more with all of them."""

    name: str
    model: Model
    tried: dict[str, float]
    """chrF, 0 to 1, of each kind on the rows kept back."""


KEPT_BACK = 10
"""One row of so many."""


def choose(candidates: Sequence[Candidate], rows: Sequence[Pair], seconds: float, seed: int) -> Chosen:
    """Tries each kind on nine tenths of the rows, a third of the time each at most, and teaches the best one with all."""
    held = [row for at, row in enumerate(rows) if at % KEPT_BACK == KEPT_BACK - 1]
    kept = [row for at, row in enumerate(rows) if at % KEPT_BACK != KEPT_BACK - 1]
    tried: dict[str, float] = {}
    if len(candidates) > 1:
        for one in candidates:
            answers = one.learn(kept, seconds / 3, seed).answers([row.text for row in held])
            tried[one.name] = scored(answers, [row.outputs for row in held])["chrf"]
    best = max(candidates, key=lambda one: tried.get(one.name, 0.0))
    return Chosen(best.name, best.learn(rows, seconds, seed), tried)
