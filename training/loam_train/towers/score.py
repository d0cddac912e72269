"""Zero-shot scores in torch: the label whose anchor is nearest."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch.nn.functional import normalize

from . import anchors
from .anchors import Embed
from .component import Component
from .data import Split, TowerSet
from .modality import Modality

_BATCH = 256


@dataclass(frozen=True)
class Score:
    """Of one test split; per cent."""

    examples: int
    classes: int
    accuracy: float
    chance: float
    """Of guessing: one in as many as there are classes."""
    majority: float
    """Of always answering the test split's most frequent class."""
    coarse: float | None = None
    """Accuracy of the groups that the run names, such as falls."""

    def record(self) -> dict[str, float]:
        """Rounded, for JSON."""
        return {name: round(value, 2) for name, value in asdict(self).items() if value is not None}


def embed(component: Component, modality: Modality, split: Split) -> torch.Tensor:
    """Unit vectors `[N, dim]`."""
    parts = zip(torch.split(split.inputs, _BATCH), torch.split(split.extent, _BATCH), strict=True)
    with torch.inference_mode():
        rows = [component.tower(modality.prepared(inputs, extent))[0] for inputs, extent in parts]
    return normalize(torch.cat(rows), dim=-1)


def predict(component: Component, modality: Modality, data: TowerSet, template: str, sentences: Embed) -> torch.Tensor:
    """The class of each test input, by one sentence a label as in the engine."""
    vectors = anchors.deployed(data.labels, template, component.transform, sentences)
    return (embed(component, modality, data.test) @ vectors.T).argmax(1)


def score(predicted: torch.Tensor, data: TowerSet) -> Score:
    """Compares with the test split."""
    truth, count = data.test.classes, len(data.labels)
    coarse = None
    if data.groups is not None:
        coarse = per_cent(data.groups[predicted], data.groups[truth])
    majority = 100 * float(truth.bincount().max()) / len(truth)
    return Score(len(truth), count, per_cent(predicted, truth), 100 / count, majority, coarse)


def per_cent(predicted: torch.Tensor, truth: torch.Tensor) -> float:
    """How many are equal."""
    return 100 * float((predicted == truth).double().mean())
