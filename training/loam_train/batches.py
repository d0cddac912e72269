"""Training windows of all sets together, standardised, and the batches drawn from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .anchors import Anchors
from .augment import augment
from .run import Augmentation, Training
from .sets import MotionSet

_STRIDE = 1_000_003
"""Between the seeds of two runs, so that no two steps of runs with neighbouring seeds draw alike."""


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

    def apply(self, windows: torch.Tensor) -> torch.Tensor:
        """Windows `[N, 6, steps]`, standardised."""
        return windows / torch.tensor(self.std)[:, None]


def measure(sets: Sequence[MotionSet]) -> Scale:
    """Root mean squares over what was recorded, each set counting as one."""
    squares = torch.stack([s.train.windows.square().sum((0, 2)) / s.train.real.sum() for s in sets]).mean(0)
    acceleration, rotation = squares.reshape(2, 3).mean(1).sqrt().clamp(min=1e-3).tolist()
    return Scale(acceleration, rotation)


class Batches:
    """Batch `step` is a function of the seed and the step alone, so that a resumed run goes on as if never stopped."""

    def __init__(self, sets: Sequence[MotionSet], anchors: Anchors, scale: Scale, training: Training) -> None:
        self._x = torch.cat([scale.apply(s.train.windows) for s in sets])
        self._real = torch.cat([s.train.real for s in sets])
        self._training = training
        # A target is an index into the labels of all sets.
        tables = [torch.tensor([anchors.labels.index(label) for label in s.labels]) for s in sets]
        self._target = torch.cat([table[s.train.classes] for s, table in zip(sets, tables, strict=True)])
        self._own = torch.zeros(len(sets), len(anchors.labels), dtype=torch.bool)
        for row, table in zip(self._own, tables, strict=True):
            row[table] = True
        sizes = torch.tensor([len(s.train) for s in sets])
        self._set = torch.repeat_interleave(torch.arange(len(sets)), sizes)
        self._odds = (sizes.double() ** (training.balance - 1))[self._set]

    def __len__(self) -> int:
        return len(self._x)

    def draw(self, step: int, by: Augmentation) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Windows `[B, 6, steps]`, targets `[B]`, and which labels each one's own set has, `[B, labels]`."""
        chance = torch.Generator().manual_seed(self._training.seed * _STRIDE + step)
        rows = torch.multinomial(self._odds, self._training.batch, replacement=True, generator=chance)
        x = augment(self._x[rows], self._real[rows], by, chance)
        return x, self._target[rows], self._own[self._set[rows]]
