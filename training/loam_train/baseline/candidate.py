"""What every baseline does: choose its settings on the validation part, then learn from all rows and be scored."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .problem import Part, Problem

TIMED = 60
"""Examples whose latency is taken, one at a time."""
_WARM = 10
"""Before that, so that caches and lazy initialisations are not measured."""


@dataclass(frozen=True)
class Choice:
    """The best settings on the validation part."""

    settings: dict[str, Any]
    accuracy: float
    """Per cent, on the validation part."""
    tried: list[dict[str, Any]]
    """All settings, with their validation accuracy."""


class Model(ABC):
    """A baseline that has learned."""

    @abstractmethod
    def predict(self, part: Part) -> torch.Tensor:
        """The class of each row, `[N]`."""

    @abstractmethod
    def parameters(self) -> int:
        """Numbers that were learned."""

    def size(self) -> int:
        """Bytes of what a device would have to store, numbers in fp16."""
        return 2 * self.parameters()


class Candidate(ABC):
    """A kind of model. `seconds` are of computing by one thread."""

    name: str
    weight: float = 1.0
    """Its share of the task's minutes, beside the other candidates' weights; 0 for one that needs only seconds."""

    @abstractmethod
    def choose(self, problem: Problem, seconds: float, work: Path) -> Choice:
        """Tries settings on the validation part, never on the test part; `work` is for checkpoints."""

    @abstractmethod
    def fit(self, problem: Problem, choice: Choice, seconds: float, work: Path) -> Model:
        """Learns with the chosen settings."""


def accuracy(predicted: torch.Tensor, truth: torch.Tensor) -> float:
    """Per cent."""
    return 100 * float((predicted == truth).double().mean())


def macro_f1(predicted: torch.Tensor, truth: torch.Tensor) -> float:
    """Per cent: the mean of F1 over the classes that occur in either, as scikit-learn has it."""
    scores = []
    for label in torch.unique(torch.cat([predicted, truth])):
        both = float(((predicted == label) & (truth == label)).sum())
        scores.append(2 * both / float((predicted == label).sum() + (truth == label).sum()))
    return 100 * sum(scores) / len(scores)


def confusion(predicted: torch.Tensor, truth: torch.Tensor, labels: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """From the true label to how often each label was answered; what never happened is left out."""
    found: dict[str, dict[str, int]] = {}
    for answer, right in zip(predicted.tolist(), truth.tolist(), strict=True):
        row = found.setdefault(labels[right], {})
        row[labels[answer]] = row.get(labels[answer], 0) + 1
    return found


def latency(model: Model, part: Part) -> float:
    """Median milliseconds from a prepared input, or a text as it is, to a class; one at a time."""
    rows = torch.linspace(0, len(part) - 1, _WARM + TIMED).long()
    taken = []
    for row in rows:
        single = part.at(row[None])
        begun = time.perf_counter()
        model.predict(single)
        taken.append(time.perf_counter() - begun)
    return 1000 * sorted(taken[_WARM:])[TIMED // 2]
