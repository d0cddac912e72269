"""The way between numpy arrays and the packed bytes that cross into Rust: little-endian, without gaps."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from loam.variants import LoamError

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def argument(name: str, reason: str) -> LoamError:
    """An argument that is out of range, worded as the engine does."""
    return LoamError.Argument(name=name, reason=f"invalid {name}: {reason}")


def shape(array: npt.NDArray[Any]) -> str:
    """How an array looks, for messages."""
    return f"{array.dtype} {list(array.shape)}"


def packed_f32(name: str, values: npt.ArrayLike) -> bytes:
    """Floating point or integer values as packed f32; a copy.

    Raises:
        LoamError.Argument: for values that are no numbers.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise argument(name, f"{shape(array)}, these are no numbers")
    return array.astype("<f4", copy=False).tobytes()


def packed_f64(values: npt.ArrayLike | None) -> bytes:
    """Values as packed f64, no byte for ``None``; a copy."""
    return b"" if values is None else np.asarray(values, dtype="<f8").tobytes()


def unpacked_f32(values: bytes) -> Floats:
    """Packed f32 as a read-only array on the same memory."""
    return np.frombuffer(values, dtype="<f4")


def unpacked_u8(values: bytes) -> Bytes:
    """Bytes as a read-only array on the same memory."""
    return np.frombuffer(values, dtype=np.uint8)
