"""Results that hold arrays."""

from __future__ import annotations

from dataclasses import dataclass

from loam._ffi import loam_ffi as ffi
from loam.arrays import Bytes, Floats, unpacked_f32, unpacked_u8
from loam.records import Trace


@dataclass(frozen=True, eq=False)
class Embedding:
    """A vector in a shared space."""

    vector: Floats
    """Unit length, ``[dim]``, read-only; the memory that the engine gave, not a copy."""
    trace: Trace
    """What ran."""

    @classmethod
    def of(cls, record: ffi.Embedding) -> Embedding:
        """As the engine gives it."""
        return cls(unpacked_f32(record.vector), record.trace)


@dataclass(frozen=True, eq=False)
class Upscaled:
    """A picture at a larger size."""

    pixels: Bytes
    """Red, green and blue, ``[height, width, 3]``, read-only."""
    trace: Trace
    """What ran."""

    @classmethod
    def of(cls, record: ffi.Upscaled) -> Upscaled:
        """As the engine gives it."""
        return cls(unpacked_u8(record.pixels).reshape(record.height, record.width, 3), record.trace)


@dataclass(frozen=True, eq=False)
class Speech:
    """What was spoken."""

    samples: Floats
    """Mono, within -1 to 1, ``[samples]``, read-only."""
    sample_rate: int
    """Samples per second."""
    trace: Trace
    """What ran."""

    @classmethod
    def of(cls, record: ffi.Speech) -> Speech:
        """As the engine gives it."""
        return cls(unpacked_f32(record.samples), record.sample_rate, record.trace)
