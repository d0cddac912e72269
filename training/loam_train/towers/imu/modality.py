"""Motion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ... import table
from ...errors import InputError
from ..data import Split, TowerSet
from ..modality import Modality
from ..run import Run, Source
from . import sets
from .augment import Augmentation, augment
from .sets import Window


@dataclass(frozen=True)
class Scale:
    """What each channel is divided by. No mean is subtracted: gravity's direction depends on how the sensor is worn."""

    acceleration: float
    """m/s^2."""
    rotation: float
    """rad/s."""

    @property
    def std(self) -> list[float]:
        return [self.acceleration] * 3 + [self.rotation] * 3


def measure(sets: Sequence[TowerSet]) -> Scale:
    """Root mean squares over what was recorded, each set counting as one."""
    squares = torch.stack([s.train.inputs.square().sum((0, 2)) / s.train.extent.sum() for s in sets]).mean(0)
    acceleration, rotation = squares.reshape(2, 3).mean(1).sqrt().clamp(min=1e-3).tolist()
    return Scale(acceleration, rotation)


def _stored(preprocessing: dict[str, Any], path: Path) -> Scale:
    std = preprocessing.get("std")
    if not isinstance(std, list) or len(std) != 6 or not all(isinstance(one, int | float) and one > 0 for one in std):
        raise InputError(path, f"std of the stored preprocessing is {std!r}, expected six positive numbers")
    return Scale(float(std[0]), float(std[3]))


class Motions(Modality):
    """Windows `[6, steps]` in the common layout; an input's extent is how many of its steps were recorded."""

    name = "imu"
    max_parameters = 2_000_000

    def __init__(self, run: Run, path: Path, stored: dict[str, Any] | None) -> None:
        self._window = table.fill(Window, run.window, path, "window")
        self._by = table.fill(Augmentation, run.augmentation, path, "augmentation")
        if not 1 <= self._window.rate <= 10_000:
            raise InputError(path, f"window.rate is {self._window.rate!r}, expected 1 to 10000 Hz")
        if not 2 <= self._window.steps <= sets.MAX_SAMPLES:
            raise InputError(path, f"window.steps is {self._window.steps!r}, expected 2 to {sets.MAX_SAMPLES}")
        for change, spread in vars(self._by).items():
            if not 0 <= spread < math.inf:
                raise InputError(path, f"augmentation.{change} is {spread!r}, expected 0 or more")
        self._scale = Scale(1.0, 1.0) if stored is None else _stored(stored, path)

    @property
    def shape(self) -> list[int]:
        return [6, self._window.steps]

    @property
    def scale(self) -> Scale:
        """As measured, or stored."""
        return self._scale

    def load(self, source: Source, root: Path) -> TowerSet:
        return sets.load(source, self._window, root)

    def measure(self, sets: Sequence[TowerSet]) -> None:
        self._scale = measure(sets)

    def prepared(self, inputs: torch.Tensor, extent: torch.Tensor) -> torch.Tensor:
        return inputs / torch.tensor(self._scale.std)[:, None]

    def augmented(self, inputs: torch.Tensor, extent: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
        return augment(self.prepared(inputs, extent), extent, self._by, chance)

    def preprocessing(self) -> dict[str, Any]:
        return {
            "rate": self._window.rate,
            "steps": self._window.steps,
            "layout": "accelerometer_gyroscope",
            "acceleration": "m/s^2",
            "rotation": "rad/s",
            "gravity": "included",
            "mean": [0.0] * 6,
            "std": self._scale.std,
            "short": "zeros",
            "long": "keep_first",
        }

    def engine_input(self, data: TowerSet, split: Split, row: int) -> Any:
        import loam

        recording = split.raw[row]
        recorder = recording.recorder
        source = loam.ImuSource(
            rate=recorder.rate,
            layout=loam.ImuLayout.ACCELEROMETER_GYROSCOPE,
            acceleration={
                "m/s^2": loam.Acceleration.METERS_PER_SECOND_SQUARED,
                "g": loam.Acceleration.G,
            }[recorder.acceleration],
            rotation={
                "rad/s": loam.AngularRate.RADIANS_PER_SECOND,
                "deg/s": loam.AngularRate.DEGREES_PER_SECOND,
            }[recorder.rotation],
            gravity=loam.Gravity.INCLUDED,
            axes={"android": loam.Axes.ANDROID, "ios": loam.Axes.IOS}[recorder.frame],
        )
        return loam.Input.motion(recording.samples, source)
