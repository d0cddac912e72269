"""Pictures."""

from __future__ import annotations

import math
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

BICUBIC = 3
"""Pillow's number of the filter."""


@dataclass(frozen=True)
class Window:
    """What every picture becomes: RGB, `side` pixels each way, standardised by one mean and deviation for all channels."""

    side: int
    mean: float
    std: float


class Pictures(Modality):
    """uint8 `[3, side, side]`; an input's extent is its chance to be shown mirrored."""

    name = "image"
    max_parameters = 6_000_000

    def __init__(self, run: Run, path: Path, stored: dict[str, Any] | None) -> None:
        self._window = table.fill(Window, run.window, path, "window")
        self._by = table.fill(Augmentation, run.augmentation, path, "augmentation")
        if not 8 <= self._window.side <= 1024:
            raise InputError(path, f"window.side is {self._window.side!r}, expected 8 to 1024")
        for name, value in (("mean", self._window.mean), ("std", self._window.std)):
            if not 0 < value <= 1:
                raise InputError(path, f"window.{name} is {value!r}, expected a share of white, above 0 and at most 1")
        for change, spread in vars(self._by).items():
            if not 0 <= spread < math.inf:
                raise InputError(path, f"augmentation.{change} is {spread!r}, expected 0 or more")

    @property
    def shape(self) -> list[int]:
        return [3, self._window.side, self._window.side]

    def load(self, source: Source, root: Path) -> TowerSet:
        return sets.load(source, self._window.side, root)

    def prepared(self, inputs: torch.Tensor, extent: torch.Tensor) -> torch.Tensor:
        x = (inputs.float() / 255 - self._window.mean) / self._window.std
        return x.contiguous(memory_format=torch.channels_last)

    def augmented(self, inputs: torch.Tensor, extent: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
        changed = augment(self.prepared(inputs, extent), extent, self._by, chance)
        return changed.contiguous(memory_format=torch.channels_last)

    def preprocessing(self) -> dict[str, Any]:
        return {
            "image_processor_type": "LoamImageProcessor",
            "do_convert_rgb": True,
            "do_resize": True,
            "size": {"height": self._window.side, "width": self._window.side},
            "resample": BICUBIC,
            "do_center_crop": False,
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": [self._window.mean] * 3,
            "image_std": [self._window.std] * 3,
        }

    def engine_input(self, data: TowerSet, split: Split, row: int) -> Any:
        import loam

        return loam.Input.pixels(split.raw[row])
