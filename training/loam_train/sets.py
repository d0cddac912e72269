"""Motion data sets, read from `data.npz` and `meta.json` and brought into one layout."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .errors import InputError
from .motion import ACCELERATION, CHANNELS, ROTATION, Array, Recorder, unified
from .run import Source, Window

MAX_ACCELERATION = 400.0
"""m/s^2, 40 g: wearables measure up to 16 g. More means that a unit is wrong."""


@dataclass(frozen=True)
class Split:
    """Windows of one part of a set."""

    recordings: list[Array]
    """As recorded, `[samples, 6]`, in the recorder's units."""
    windows: torch.Tensor
    """`[N, 6, steps]` in the common layout, not standardised."""
    real: torch.Tensor
    """Steps of each window that were recorded; zeros follow."""
    classes: torch.Tensor

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True)
class MotionSet:
    """A data set in the common layout."""

    source: Source
    recorder: Recorder
    labels: list[str]
    """The words for each class, by index."""
    groups: torch.Tensor | None
    """The coarse group of each class, where the run names some."""
    train: Split
    test: Split

    @property
    def name(self) -> str:
        return self.source.name


def load(source: Source, window: Window, root: Path) -> MotionSet:
    """Reads one set.

    Raises:
        InputError: naming the file, the field or row, and its value.
    """
    folder = root / source.folder
    meta_path = folder / "meta.json"
    meta = _meta(meta_path)
    classes, order = _strings(meta, "classes", meta_path), _strings(meta, "channels", meta_path)
    if sorted(order) != sorted(CHANNELS):
        raise InputError(meta_path, f"channels is {order}, expected {', '.join(CHANNELS)} in any order")
    places = [order.index(channel) for channel in CHANNELS]
    units = _strings(meta, "units", meta_path)
    if len(units) != len(order):
        raise InputError(meta_path, f"units has {len(units)} values for {len(order)} channels")
    recorder = Recorder(
        rate=_rate(meta, meta_path),
        acceleration=_unit([units[i] for i in places[:3]], ACCELERATION, meta_path),
        rotation=_unit([units[i] for i in places[3:]], ROTATION, meta_path),
        frame=source.frame,
    )
    for name in classes:
        if name not in source.labels:
            raise InputError(meta_path, f"class {name!r} has no words in labels of set {source.name}")
    for name in source.labels:
        if name not in classes:
            raise InputError(meta_path, f"labels of set {source.name} name class {name!r}, which is not in classes")
    path = folder / "data.npz"
    train, test = (_split(path, part, places, recorder, len(classes), window) for part in ("train", "test"))
    return MotionSet(source, recorder, [source.labels[name] for name in classes], _groups(source, classes), train, test)


def _split(path: Path, part: str, places: list[int], recorder: Recorder, classes: int, window: Window) -> Split:
    arrays = _arrays(path, part)
    x, y = arrays["x"], arrays["y"]
    if x.ndim != 3 or x.shape[2] != len(CHANNELS):
        raise InputError(path, f"x_{part} has shape {list(x.shape)}, expected [windows, samples, {len(CHANNELS)}]")
    lengths = arrays.get("length", np.full(len(x), x.shape[1]))
    for name, values in (("y", y), ("length", lengths)):
        if values.shape != (len(x),):
            raise InputError(path, f"{name}_{part} has shape {list(values.shape)}, expected [{len(x)}]")
    _within(path, f"y_{part}", y, 0, classes - 1)
    _within(path, f"length_{part}", lengths, 2, x.shape[1])
    x = x.astype(np.float32)[:, :, places]
    _plausible(path, part, x, recorder)
    recordings = [row[:length] for row, length in zip(x, lengths, strict=True)]
    pairs = [unified(recording, recorder, window.rate, window.steps) for recording in recordings]
    windows = torch.from_numpy(np.stack([values for values, _ in pairs]).transpose(0, 2, 1).copy())
    real = torch.tensor([steps for _, steps in pairs])
    return Split(recordings, windows, real, torch.from_numpy(y.astype(np.int64)))


def _arrays(path: Path, part: str) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = {name: archive[f"{name}_{part}"] for name in ("x", "y", "length") if f"{name}_{part}" in archive}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(path, str(error)) from error
    for name in ("x", "y"):
        if name not in found:
            raise InputError(path, f"{name}_{part} is missing")
    return found


def _within(path: Path, name: str, values: np.ndarray, low: int, high: int) -> None:
    wrong = np.flatnonzero((values < low) | (values > high))
    if len(wrong):
        raise InputError(path, f"{name}[{wrong[0]}] is {values[wrong[0]]}, expected {low} to {high}")


def _plausible(path: Path, part: str, x: Array, recorder: Recorder) -> None:
    """Values are numbers, and no acceleration is beyond what a wearable's sensor measures."""
    metres = np.abs(x[:, :, :3]) * ACCELERATION[recorder.acceleration]
    for found, why in (
        (~np.isfinite(x), "not finite"),
        (metres > MAX_ACCELERATION, f"beyond {MAX_ACCELERATION} m/s^2"),
    ):
        if found.any():
            row, step, channel = (int(i[0]) for i in np.nonzero(found))
            reason = f"x_{part}[{row}, {step}], {CHANNELS[channel]}, is {x[row, step, channel]}: {why}"
            raise InputError(path, f"{reason} (unit {recorder.acceleration})")


def _meta(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, error.strerror or str(error)) from error
    except json.JSONDecodeError as error:
        raise InputError(path, str(error)) from error
    if not isinstance(found, dict):
        raise InputError(path, f"it holds {type(found).__name__}, expected an object")
    return found


def _strings(meta: dict[str, Any], name: str, path: Path) -> list[str]:
    found = meta.get(name)
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise InputError(path, f"{name} is {found!r}, expected a list of strings")
    return found


def _rate(meta: dict[str, Any], path: Path) -> float:
    rate = meta.get("hz")
    if not isinstance(rate, int | float) or not 1 <= rate <= 10_000:
        raise InputError(path, f"hz is {rate!r}, expected 1 to 10000")
    return float(rate)


def _unit(units: list[str], known: dict[str, float], path: Path) -> str:
    if len(set(units)) != 1 or units[0] not in known:
        raise InputError(path, f"units has {units}, expected one of {', '.join(known)} for all three axes")
    return units[0]


def _groups(source: Source, classes: list[str]) -> torch.Tensor | None:
    if not source.coarse:
        return None
    of = {name: index for index, group in enumerate(source.coarse.values(), 1) for name in group}
    return torch.tensor([of.get(name, 0) for name in classes])
