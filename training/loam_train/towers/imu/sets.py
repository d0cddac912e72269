"""Motion data sets, read from `data.npz` and `meta.json` and brought into one layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ... import reading
from ...errors import InputError
from ..data import Split, TowerSet, groups, read_meta, strings, within, words
from ..run import Source
from .layout import ACCELERATION, CHANNELS, ROTATION, Array, Recorder, unified

MAX_ACCELERATION = 400.0
"""m/s^2, 40 g: wearables measure up to 16 g. More means that a unit is wrong."""
MAX_SAMPLES = 20_000
"""Of one recording: 200 s at 100 Hz. More is a session that nobody has cut."""


@dataclass(frozen=True)
class Window:
    """What every recording becomes: `steps` samples at `rate` Hz, m/s^2 and rad/s, Android's frame, gravity included."""

    rate: float
    steps: int


@dataclass(frozen=True)
class Recording:
    """As a device has it."""

    samples: Array
    """`[samples, 6]`, in the recorder's units."""
    recorder: Recorder


def load(source: Source, window: Window, root: Path) -> TowerSet:
    """Reads one set.

    Raises:
        InputError: naming the file, the field or row, and its value.
    """
    folder = root / source.folder
    meta_path = folder / "meta.json"
    meta = read_meta(meta_path)
    classes, order = strings(meta, "classes", meta_path), strings(meta, "channels", meta_path)
    if sorted(order) != sorted(CHANNELS):
        raise InputError(meta_path, f"channels is {order}, expected {', '.join(CHANNELS)} in any order")
    places = [order.index(channel) for channel in CHANNELS]
    units = strings(meta, "units", meta_path)
    if len(units) != len(order):
        raise InputError(meta_path, f"units has {len(units)} values for {len(order)} channels")
    recorder = Recorder(
        rate=_rate(meta, meta_path),
        acceleration=_unit([units[i] for i in places[:3]], ACCELERATION, meta_path),
        rotation=_unit([units[i] for i in places[3:]], ROTATION, meta_path),
        frame=source.frame,
    )
    labels = words(source, classes, meta_path)
    path = folder / "data.npz"
    train, test = (_split(path, part, places, recorder, len(classes), window) for part in ("train", "test"))
    return TowerSet(source, labels, groups(source, classes), train, test)


def _split(path: Path, part: str, places: list[int], recorder: Recorder, classes: int, window: Window) -> Split:
    found = reading.arrays(path, [f"{name}_{part}" for name in ("x", "y", "length", "subject")])
    x = reading.array(found, f"x_{part}", "f", "windows, samples, channels", path)
    if x.shape[2] != len(CHANNELS) or not 2 <= x.shape[1] <= MAX_SAMPLES:
        shape = f"[windows, 2 to {MAX_SAMPLES} samples, {len(CHANNELS)}]"
        raise InputError(path, f"x_{part} has shape {list(x.shape)}, expected {shape}")
    found.setdefault(f"length_{part}", np.full(len(x), x.shape[1]))
    y, lengths = (reading.array(found, f"{name}_{part}", "iu", "windows", path) for name in ("y", "length"))
    for name, values in (("y", y), ("length", lengths)):
        if len(values) != len(x):
            raise InputError(path, f"{name}_{part} has shape {list(values.shape)}, expected [{len(x)}]")
    within(path, f"y_{part}", y, 0, classes - 1)
    within(path, f"length_{part}", lengths, 2, x.shape[1])
    x = x.astype(np.float32)[:, :, places]
    _plausible(path, part, x, recorder)
    recordings = [row[:length] for row, length in zip(x, lengths, strict=True)]
    pairs = [unified(recording, recorder, window.rate, window.steps) for recording in recordings]
    windows = torch.from_numpy(np.stack([values for values, _ in pairs]).transpose(0, 2, 1).copy())
    real = torch.tensor([steps for _, steps in pairs])
    raw = [Recording(samples, recorder) for samples in recordings]
    return Split(windows, real, torch.from_numpy(y.astype(np.int64)), raw, _people(found, part, len(x), path))


def _people(arrays: dict[str, np.ndarray], part: str, count: int, path: Path) -> list[str]:
    """Who wore the sensor, where the set says so."""
    if f"subject_{part}" not in arrays:
        return []
    found = reading.array(arrays, f"subject_{part}", "iu", "windows", path)
    if len(found) != count:
        raise InputError(path, f"subject_{part} has shape {list(found.shape)}, expected [{count}]")
    return [str(person) for person in found.tolist()]


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


def _rate(meta: dict[str, Any], path: Path) -> float:
    rate = meta.get("hz")
    if not isinstance(rate, int | float) or not 1 <= rate <= 10_000:
        raise InputError(path, f"hz is {rate!r}, expected 1 to 10000")
    return float(rate)


def _unit(units: list[str], known: dict[str, float], path: Path) -> str:
    if len(set(units)) != 1 or units[0] not in known:
        raise InputError(path, f"units has {units}, expected one of {', '.join(known)} for all three axes")
    return units[0]
