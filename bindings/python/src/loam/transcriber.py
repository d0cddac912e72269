"""A stream of speech that the caller feeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from loam._ffi import loam_ffi as ffi
from loam.arrays import argument, packed_f32, shape
from loam.records import PcmFormat, TranscriptEnd
from loam.variants import TranscriptEvent


class Transcriber:
    """A transcription of samples as they come, such as the 100 ms that a microphone gives at a time."""

    def __init__(self, transcriber: ffi.Transcriber) -> None:
        """For the package itself: transcribers come from :meth:`App.transcriber`."""
        self._inner = transcriber

    def push(self, samples: npt.ArrayLike) -> list[TranscriptEvent]:
        """Takes mono samples, int16 or floating point ``[frames]``, and returns what became certain. Blocks while it works.

        Raises:
            LoamError.Argument: for another dtype or shape, for a sample that is not finite, or after the end.
        """
        array = np.asarray(samples)
        if array.ndim != 1 or (array.dtype != np.int16 and array.dtype.kind != "f"):
            raise argument("samples", f"{shape(array)}, expected int16 or floating point [frames]")
        # The generated classes, which variants.pyi describes under another name.
        push: Any = self._inner.push
        if array.dtype == np.int16:
            events: list[TranscriptEvent] = push(array.astype("<i2", copy=False).tobytes(), PcmFormat.I16)
            return events
        events = push(packed_f32("samples", array), PcmFormat.F32)
        return events

    def finish(self) -> TranscriptEnd:
        """Ends the stream: what is left, and what it took.

        Raises:
            LoamError.Argument: for a stream without a sample, or after the end.
        """
        return self._inner.finish()
