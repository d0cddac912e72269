"""A running sensor."""

from __future__ import annotations

import numpy.typing as npt

from loam._ffi import loam_ffi as ffi
from loam.input import motion_bytes
from loam.records import ImuSource, Sensed


class Sensor:
    """Tells what a device's motion means, window by window, from samples as they come."""

    def __init__(self, sensor: ffi.Sensor, source: ImuSource) -> None:
        """For the package itself: sensors come from :meth:`App.sensor`."""
        self._inner = sensor
        self._source = source

    @property
    def window_seconds(self) -> float:
        """Length of a window in seconds."""
        return self._inner.window_seconds()

    def push(self, samples: npt.ArrayLike, timestamps: npt.ArrayLike | None = None) -> list[Sensed]:
        """Takes samples and returns the results of the windows that they complete. Blocks while it works.

        Args:
            samples: f32 ``[steps, channels]`` in the order of the source's layout.
            timestamps: f64 ``[steps]`` in seconds; evenly spaced when absent.

        Raises:
            LoamError.Argument: for another shape, and for gaps that the repair does not allow; after a gap call
                :meth:`restart` and push again.
        """
        return self._inner.push(*motion_bytes(samples, timestamps, self._source))

    def restart(self) -> None:
        """Forgets the samples at hand: a new stream begins."""
        self._inner.restart()
