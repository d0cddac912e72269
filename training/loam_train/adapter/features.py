"""Rows of a data folder as a tower reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import normalize
from tqdm import tqdm

from .. import places
from ..data import DataFolder, Example, files
from ..errors import InputError
from ..towers import component as towers
from ..towers import run as runs
from ..towers.component import Component
from ..towers.image.sets import prepared as picture
from ..towers.imu.layout import Recorder, unified
from ..towers.modality import Modality, open_modality
from ..towers.run import Run
from ..towers.sound import mel

RUNS: Path = places.ROOT / "training" / "configs" / "towers"
"""The runs that made the towers, by modality: how data is prepared and changed at random."""
_BATCH = 256

KINDS = {"image": "image", "sound": "sound", "imu": "motion"}
"""What rows a tower of a modality reads, as `Example.modality` names it."""
_MOST_FRAMES = 320
"""Of a sound, 5 s: what a window is drawn from; the engine's takes the middle."""


@dataclass(frozen=True)
class Inputs:
    """As a modality keeps them before they are changed at random."""

    values: torch.Tensor
    extent: torch.Tensor

    def __len__(self) -> int:
        return len(self.values)

    def at(self, rows: torch.Tensor) -> Inputs:
        return Inputs(self.values[rows], self.extent[rows])


@dataclass(frozen=True)
class Eyes:
    """A tower with its preparation, and the run that made it."""

    tower: Component
    modality: Modality
    run: Run

    def embed(self, given: Inputs) -> torch.Tensor:
        """Unit vectors `[N, dim]`."""
        parts = zip(torch.split(given.values, _BATCH), torch.split(given.extent, _BATCH), strict=True)
        with torch.inference_mode():
            rows = [self.tower.tower(self.modality.prepared(values, extent))[0] for values, extent in parts]
        # Inference tensors cannot take part in training.
        return normalize(torch.cat(rows), dim=-1).clone()


def open_eyes(folder: Path, name: str) -> Eyes:
    """The tower in `folder`, and the run called `name` that made it.

    Raises:
        InputError: for a tower that the run does not fit.
    """
    stored = towers.read(folder)
    path = RUNS / f"{name}.toml"
    run = runs.read(path)
    modality = open_modality(run, path, stored.preprocessing)
    if modality.preprocessing() != stored.preprocessing:
        raise InputError(
            folder, f"its preprocessor_config.json is not that of {path}, so training would see other inputs"
        )
    return Eyes(stored, modality, run)


def inputs(examples: Sequence[Example], data: DataFolder, eyes: Eyes) -> Inputs:
    """Reads every file once.

    Raises:
        InputError: naming the file, for one that cannot be read.
    """
    modality = eyes.modality
    bar = tqdm(examples, desc="reading", mininterval=2, unit="file", leave=False)
    if modality.name == "image":
        side = modality.shape[1]
        stacked = np.stack([picture(files.picture(example), side) for example in bar])
        # Whether a mirrored picture means the same cannot be known of a user's data.
        return Inputs(torch.from_numpy(stacked), torch.zeros(len(examples)))
    if modality.name == "sound":
        return _sounds([_samples(example) for example in bar])
    recorder = _recorder(data)
    rate, steps = eyes.tower.preprocessing["rate"], modality.shape[1]
    pairs = [unified(_six(example, data.path), recorder, rate, steps) for example in bar]
    windows = np.stack([values for values, _ in pairs]).transpose(0, 2, 1).copy()
    return Inputs(torch.from_numpy(windows), torch.tensor([real for _, real in pairs]))


def _samples(example: Example) -> torch.Tensor:
    from scipy.signal import resample_poly

    samples, rate = files.sound(example)
    if rate != mel.RATE:
        ratio = Fraction(mel.RATE, rate)
        samples = resample_poly(samples, ratio.numerator, ratio.denominator).astype(np.float32)
    if len(samples) <= mel.LEAST:
        raise InputError(example.file or Path(), f"{len(samples)} samples at 16 kHz, expected more than {mel.LEAST}")
    return torch.from_numpy(samples)


def _sounds(recordings: list[torch.Tensor]) -> Inputs:
    values = torch.zeros(len(recordings), mel.BINS, _MOST_FRAMES, dtype=torch.float16)
    real = torch.zeros(len(recordings), dtype=torch.long)
    for row, samples in enumerate(recordings):
        logs = mel.logarithms(samples)
        first = max(0, logs.shape[1] - _MOST_FRAMES) // 2
        logs = logs[:, first : first + _MOST_FRAMES]
        real[row] = logs.shape[1]
        values[row, :, : logs.shape[1]] = logs.half()
    return Inputs(values, real)


def _recorder(data: DataFolder) -> Recorder:
    told = data.motion
    if told is None:
        raise InputError(
            data.path, "data.json has no 'motion', which says at what rate and in which units it was recorded"
        )
    if (told.layout, told.gravity) != ("accelerometer_gyroscope", "included"):
        reason = f"motion has layout {told.layout!r} and gravity {told.gravity!r}"
        raise InputError(data.path / "data.json", f"{reason}; training takes accelerometer_gyroscope and included")
    return Recorder(told.rate, told.acceleration, told.rotation, told.axes)


def _six(example: Example, folder: Path) -> np.ndarray:
    samples = files.motion(example)
    if samples.shape[1] != 6 or len(samples) < 2:
        reason = f"{example.where} has shape {list(samples.shape)}, expected [2 or more samples, 6 channels]"
        raise InputError(example.file or folder, reason)
    return samples
