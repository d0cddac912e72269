"""What tasks work on: text, pictures, sound and motion."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from loam._ffi import loam_ffi as ffi
from loam.arrays import argument, packed_f32, packed_f64, shape
from loam.records import ImuLayout, ImuSource, PcmFormat, PixelLayout
from loam.variants import Repair

_CHANNELS = {ImuLayout.ACCELEROMETER: 3, ImuLayout.ACCELEROMETER_GYROSCOPE: 6}
_DEPTHS = {PixelLayout.GREY: 1, PixelLayout.RGB: 3, PixelLayout.RGBA: 4, PixelLayout.BGRA: 4}
_LAYOUTS = {1: PixelLayout.GREY, 3: PixelLayout.RGB, 4: PixelLayout.RGBA}


class Input:
    """One input of a task. It is read when it is made, and can be used any number of times, from any thread."""

    __slots__ = ("_inner",)

    def __init__(self, inner: ffi.Input) -> None:
        """For the package itself: inputs are made by :meth:`text`, :meth:`pixels`, :meth:`pcm` and their like."""
        self._inner = inner

    @classmethod
    def text(cls, text: str) -> Input:
        """Written language."""
        return cls(ffi.Input.text(text))

    @classmethod
    def pixels(cls, pixels: npt.ArrayLike, layout: PixelLayout | None = None) -> Input:
        """A picture: uint8 ``[height, width]`` or ``[height, width, channels]``, from the top left; the pixels are copied.

        Args:
            pixels: one channel is grey, three are RGB, four are RGBA.
            layout: the order of the channels, where it is another.

        Raises:
            LoamError.Argument: for another dtype or shape, or a picture above the limits.
        """
        array = np.asarray(pixels)
        if array.dtype != np.uint8 or array.ndim not in (2, 3):
            raise argument("pixels", f"{shape(array)}, expected uint8 [height, width, channels]")
        depth = array.shape[2] if array.ndim == 3 else 1
        layout = _LAYOUTS.get(depth) if layout is None else layout
        if layout is None or _DEPTHS[layout] != depth:
            raise argument("pixels", f"{depth} channels, expected 1, 3 or 4 that fit the layout")
        height, width = array.shape[:2]
        return cls.pixel_bytes(array.tobytes(), layout, width, height)

    @classmethod
    def pixel_bytes(cls, pixels: bytes, layout: PixelLayout, width: int, height: int) -> Input:
        """A picture of 8-bit pixels, row by row from the top left, without gaps between rows.

        Raises:
            LoamError.Argument: for another number of bytes than pixels take, or a picture above the limits.
        """
        return cls(ffi.Input.pixels(bytes(pixels), layout, width, height))

    @classmethod
    def encoded_image(cls, data: bytes) -> Input:
        """A picture as the bytes of a PNG, JPEG or WebP file.

        Raises:
            LoamError.Malformed, LoamError.Unsupported: for other bytes.
            LoamError.Argument: for a picture above the limits.
        """
        return cls(ffi.Input.encoded_image(bytes(data)))

    @classmethod
    def image_file(cls, path: str | os.PathLike[str]) -> Input:
        """A picture in a PNG, JPEG or WebP file.

        Raises:
            LoamError.Io: where it cannot be read; as :meth:`encoded_image` otherwise.
        """
        return cls(ffi.Input.image_file(os.fspath(path)))

    @classmethod
    def pcm(cls, samples: npt.ArrayLike, sample_rate: int, channels: int = 1) -> Input:
        """Sound: int16, or floating point within -1 to 1. Channels are mixed to one; the samples are copied.

        Args:
            samples: ``[frames]`` of one channel, interleaved ones of ``channels``, or ``[frames, channels]``.
            sample_rate: Hz, 4000 to 192000.
            channels: of a one-dimensional array.

        Raises:
            LoamError.Argument: for another dtype or shape, no sample, a rate out of range, or one that is not finite.
        """
        array = np.asarray(samples)
        if array.ndim == 2:
            channels = array.shape[1]
        elif array.ndim != 1:
            raise argument("samples", f"{shape(array)}, expected [frames] or [frames, channels]")
        if array.dtype == np.int16:
            return cls.pcm_bytes(array.astype("<i2", copy=False).tobytes(), PcmFormat.I16, sample_rate, channels)
        if array.dtype.kind != "f":
            raise argument("samples", f"{shape(array)}, expected int16 or floating point")
        return cls.pcm_bytes(packed_f32("samples", array), PcmFormat.F32, sample_rate, channels)

    @classmethod
    def pcm_bytes(cls, samples: bytes, format: PcmFormat, sample_rate: int, channels: int = 1) -> Input:
        """Sound as interleaved little-endian samples.

        Raises:
            LoamError.Argument: as :meth:`pcm`, and for bytes that are no whole samples.
        """
        return cls(ffi.Input.pcm(bytes(samples), format, sample_rate, channels))

    @classmethod
    def wav_file(cls, path: str | os.PathLike[str]) -> Input:
        """Sound in a WAV file.

        Raises:
            LoamError.Io, LoamError.Malformed: where it cannot be read; as :meth:`pcm` otherwise.
        """
        return cls(ffi.Input.wav_file(os.fspath(path)))

    @classmethod
    def motion(
        cls,
        samples: npt.ArrayLike,
        source: ImuSource,
        timestamps: npt.ArrayLike | None = None,
        repair: Repair | None = None,
    ) -> Input:
        """Motion, f32 ``[steps, channels]`` in the order of the source's layout; the samples are copied.

        Args:
            samples: at least two steps.
            source: how it was recorded.
            timestamps: f64 ``[steps]`` in seconds; evenly spaced when absent.
            repair: of gaps and of samples that are not finite; they are refused when absent.

        Raises:
            LoamError.Argument: for another shape, or values out of range.
        """
        samples, times = motion_bytes(samples, timestamps, source)
        given: Any = Repair.REFUSE() if repair is None else repair
        return cls(ffi.Input.motion(samples, times, source, given))

    @property
    def kind(self) -> str:
        """``text``, ``image``, ``sound`` or ``motion``, as messages call it."""
        return self._inner.kind()

    def __repr__(self) -> str:
        return f"Input({self.kind})"


def motion_bytes(
    samples: npt.ArrayLike, timestamps: npt.ArrayLike | None, source: ImuSource
) -> tuple[bytes, bytes]:
    """Samples and their times as the engine takes them."""
    array = np.asarray(samples)
    channels = _CHANNELS[source.layout]
    if array.ndim != 2 or array.shape[1] != channels:
        raise argument("samples", f"{shape(array)}, expected [steps, {channels}]")
    times = None if timestamps is None else np.asarray(timestamps)
    if times is not None and times.shape != array.shape[:1]:
        raise argument("timestamps", f"{shape(times)}, expected [{array.shape[0]}]")
    return packed_f32("samples", array), packed_f64(times)
