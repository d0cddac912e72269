"""The `check-imu` command: the same test windows through torch and through the engine."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from tqdm import tqdm

from . import score
from .component import Component
from .engine import Engine
from .run import Run
from .sets import MotionSet

TOLERANCE = 0.5
"""Points of accuracy that torch and the engine may differ by, in each set and over all."""


@dataclass(frozen=True)
class Comparison:
    """Of one set; per cent of `windows`."""

    name: str
    windows: int
    classes: int
    torch: float
    engine: float
    agreement: float
    """Windows to which both give the same label, right or wrong."""

    @property
    def difference(self) -> float:
        return abs(self.torch - self.engine)


def compare(data: MotionSet, component: Component, engine: Engine, run: Run, windows: int) -> Comparison:
    """Recordings spread evenly over the test split, at most `windows`.

    Torch gets what this package makes of a recording and the mean that lies in the file; the engine gets the recording
    itself, its own template and nothing else, so that a difference anywhere on the way shows.
    """
    count = min(windows, len(data.test))
    rows = torch.linspace(0, len(data.test) - 1, count).round().long()
    by_torch = score.predict(component, data, run.texts, engine.embed)[rows]
    places = {label: index for index, label in enumerate(data.labels)}
    found = [
        places[engine.classify(data.test.recordings[row], data.recorder, data.labels)]
        for row in tqdm(rows.tolist(), desc=data.name, mininterval=2)
    ]
    by_engine, truth = torch.tensor(found), data.test.classes[rows]
    return Comparison(
        name=data.name,
        windows=count,
        classes=len(data.labels),
        torch=score.per_cent(by_torch, truth),
        engine=score.per_cent(by_engine, truth),
        agreement=score.per_cent(by_torch, by_engine),
    )
