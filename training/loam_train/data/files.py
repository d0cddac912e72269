"""Pictures, sounds and recordings of motion, opened when they are needed."""

from __future__ import annotations

import io
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..errors import InputError
from .example import Example

MAX_PIXELS = 1 << 26
MAX_SAMPLES = 1 << 27
"""Of a sound, all channels: 46 minutes of stereo at 24 kHz."""


def picture(example: Example) -> np.ndarray:
    """`[height, width, 3]`, uint8, red, green, blue.

    Raises:
        InputError: for a file that is no picture, or a very large one.
    """
    from PIL import Image

    path = _file(example)
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(path, f"{image.width} x {image.height}, the limit is {MAX_PIXELS} pixels")
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(path, f"no picture can be read from it: {error}") from error


def sound(example: Example) -> tuple[np.ndarray, int]:
    """`[samples]`, float32 in -1 to 1, channels averaged, and the rate in Hz.

    Raises:
        InputError: for a file that is no sound, or a very long one.
    """
    import soundfile

    path = _file(example)
    try:
        with soundfile.SoundFile(path) as stream:
            if len(stream) * stream.channels > MAX_SAMPLES:
                raise InputError(path, f"{len(stream) * stream.channels} samples, the limit is {MAX_SAMPLES}")
            samples = stream.read(dtype="float32", always_2d=True)
            rate = int(stream.samplerate)
    except (OSError, RuntimeError) as error:
        raise InputError(path, f"no sound can be read from it: {error}") from error
    return _finite(path, samples).mean(axis=1), rate


def motion(example: Example) -> np.ndarray:
    """`[steps, channels]`, float32, in the recorder's units; an `.npz` file's padding after `length` is cut off.

    Raises:
        InputError: for a file that holds no such recording.
    """
    path = _file(example)
    if example.index is None:
        return _table(path)
    x, length = _arrays(path, path.stat().st_mtime_ns)
    steps = x.shape[1] if length is None else int(length[example.index])
    if not 1 <= steps <= x.shape[1]:
        raise InputError(path, f"{example.where}: length is {steps}, expected 1 to {x.shape[1]}")
    return _finite(path, x[example.index, :steps].astype(np.float32), f"{example.where}: ")


def _file(example: Example) -> Path:
    if example.file is None:
        raise ValueError(f"{example.where} has no file")
    return example.file


ARRAY_ERRORS = (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)
"""What numpy raises for files that are no archive of arrays, or a damaged one. Its texts give advice that is not ours."""


@lru_cache(maxsize=4)
def _arrays(path: Path, changed: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Of a file as it was last `changed`, so that another one under its name is read anew."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            x = arrays["x"]
            length: np.ndarray | None = arrays["length"] if "length" in arrays.files else None
    except ARRAY_ERRORS as error:
        raise InputError(path, f"no arrays can be read from it: {type(error).__name__}") from error
    if length is not None and (length.shape != x.shape[:1] or length.dtype.kind not in "iu"):
        raise InputError(path, f"length has shape {length.shape} of {length.dtype}, expected {x.shape[:1]} of int64")
    return x, length


def _table(path: Path) -> np.ndarray:
    """Numbers in columns, one sample a line, after a header line if there is one."""
    try:
        if path.stat().st_size > MAX_SAMPLES:
            raise InputError(path, f"{path.stat().st_size} bytes, the limit is {MAX_SAMPLES}")
        text = path.read_text(encoding="utf-8-sig")
        first = text.partition("\n")[0]
        skipped = int(not all(_number(cell) for cell in first.split(",")))
        values = np.loadtxt(io.StringIO(text), delimiter=",", skiprows=skipped, dtype=np.float32, ndmin=2)
    except (OSError, ValueError) as error:
        raise InputError(path, f"no numbers can be read from it: {error}") from error
    if not values.size:
        raise InputError(path, "no samples")
    return _finite(path, values)


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _finite(path: Path, values: np.ndarray, where: str = "") -> np.ndarray:
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        value = values[tuple(bad[0])]
        raise InputError(path, f"{where}sample {bad[0, 0]}, channel {bad[0, 1]} is {value}, expected a number")
    return values
