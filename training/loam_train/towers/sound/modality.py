"""Sound."""

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
from . import mel, sets
from .augment import Augmentation, masked, warped


@dataclass(frozen=True)
class Window:
    """What every sound becomes: the middle `frames` of its log-mel spectrogram, 16 ms each."""

    frames: int
    kept: int
    """Frames of each recording that training draws its windows from."""


class Sounds(Modality):
    """Logarithms fp16 `[bins, kept]`; an input's extent is how many of its frames are sound."""

    name = "sound"
    max_parameters = 5_000_000

    def __init__(self, run: Run, path: Path, stored: dict[str, Any] | None) -> None:
        self._window = table.fill(Window, run.window, path, "window")
        self._by = table.fill(Augmentation, run.augmentation, path, "augmentation")
        frames, kept = self._window.frames, self._window.kept
        if not 8 <= frames <= kept <= 4096:
            raise InputError(path, f"window has frames {frames} and kept {kept}, expected 8 <= frames <= kept <= 4096")
        if (kept - frames) % 2:
            # The middle of the middle would lie a frame beside the middle that the engine takes.
            raise InputError(path, f"window has frames {frames} and kept {kept}, expected an even difference")
        for change, spread in vars(self._by).items():
            if not 0 <= spread < math.inf:
                raise InputError(path, f"augmentation.{change} is {spread!r}, expected 0 or more")

    @property
    def shape(self) -> list[int]:
        return [1, mel.BINS, self._window.frames]

    def load(self, source: Source, root: Path) -> TowerSet:
        return sets.load(source, self._window.kept, root)

    def prepared(self, inputs: torch.Tensor, extent: torch.Tensor) -> torch.Tensor:
        middle = torch.full((len(inputs),), 0.5)
        return mel.normalised(*mel.cut(inputs.float(), extent, self._window.frames, middle))[:, None]

    def augmented(self, inputs: torch.Tensor, extent: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
        place = torch.rand(len(inputs), generator=chance)
        x, real = mel.cut(inputs.float(), extent, self._window.frames, place)
        x, real = warped(x, real, self._by, chance)
        return masked(mel.normalised(x, real), real, self._by, chance)[:, None]

    def preprocessing(self) -> dict[str, Any]:
        return mel.config(self._window.frames)

    def engine_input(self, data: TowerSet, split: Split, row: int) -> Any:
        import loam

        return loam.Input.pcm(split.raw[row], mel.RATE)
