"""The `check-towers` command: the same test inputs through torch and through the engine."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from tqdm import tqdm

from . import score
from .component import Component
from .data import TowerSet
from .engine import Engine
from .modality import Modality

TOLERANCE = 0.5
"""Points of accuracy that torch and the engine may differ by, in each set and over all."""


@dataclass(frozen=True)
class Comparison:
    """Of one set; per cent of `examples`."""

    name: str
    examples: int
    classes: int
    torch: float
    engine: float
    agreement: float
    """Examples to which both give the same label, right or wrong."""

    @property
    def difference(self) -> float:
        return abs(self.torch - self.engine)


def compare(
    data: TowerSet, component: Component, modality: Modality, engine: Engine, template: str, examples: int
) -> Comparison:
    """Inputs spread evenly over the test split, at most `examples`.

    Torch gets what this package makes of an input and the transform that lies in the file; the engine gets the raw input,
    its own template and nothing else, so that a difference anywhere on the way shows.
    """
    count = min(examples, len(data.test))
    rows = torch.linspace(0, len(data.test) - 1, count).round().long()
    by_torch = score.predict(component, modality, data, template, engine.embed)[rows]
    places = {label: index for index, label in enumerate(data.labels)}
    found = [
        places[engine.classify(modality.engine_input(data, data.test, row), data.labels)]
        for row in tqdm(rows.tolist(), desc=data.name, mininterval=2)
    ]
    by_engine, truth = torch.tensor(found), data.test.classes[rows]
    return Comparison(
        name=data.name,
        examples=count,
        classes=len(data.labels),
        torch=score.per_cent(by_torch, truth),
        engine=score.per_cent(by_engine, truth),
        agreement=score.per_cent(by_torch, by_engine),
    )
