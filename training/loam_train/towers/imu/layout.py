"""One layout for motion: channels, units, sign and rate, as the engine prepares them.

Every step has six channels: acceleration along x, y, z in m/s^2 with gravity, then angular rate about x, y, z in rad/s, in
Android's device frame (a device on its back reads +9.81 in z). Axes stay those of the device: how it is worn differs
between sets and people, which training meets with random rotations rather than with one assumed posture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

CHANNELS: tuple[str, ...] = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
ACCELERATION: dict[str, float] = {"m/s^2": 1.0, "g": 9.806_65}
"""To m/s^2; standard gravity of the CGPM 1901."""
ROTATION: dict[str, float] = {"rad/s": 1.0, "deg/s": float(np.pi / 180)}
"""To rad/s."""

# The engine's filter (core/src/input/imu/rate.rs): training must hear what the engine hears.
_CROSSINGS = 8.0
_CUTOFF = 0.85
_SAME_RATE = 1e-4


@dataclass(frozen=True)
class Recorder:
    """How a set was recorded."""

    rate: float
    """Hz."""
    acceleration: str
    rotation: str
    frame: str

    def factors(self) -> Array:
        """What each channel is multiplied by to be in the common units and sign."""
        sign = -1.0 if self.frame == "ios" else 1.0
        acceleration, rotation = sign * ACCELERATION[self.acceleration], ROTATION[self.rotation]
        return np.array([acceleration] * 3 + [rotation] * 3, np.float32)


def same_rate(source: float, target: float) -> bool:
    """Whether resampling would change nothing but rounding."""
    return abs(source / target - 1) < _SAME_RATE


def resampling(count: int, source: float, target: float, most: int) -> Array:
    """The matrix `[steps, count]` from samples at `source` Hz to the first steps at `target` Hz, at most `most`.

    Each step is a mean under a Hann-windowed sinc of 8 crossings a side, cut at 0.85 of the lower Nyquist frequency;
    rows add up to 1, so that constants such as gravity stay.
    """
    if same_rate(source, target):
        return np.eye(min(count, most), count, dtype=np.float32)
    steps = min(most, int(np.floor((count - 1) * target / source + 1e-6)) + 1)
    cutoff = _CUTOFF * min(1.0, target / source)
    distance = (np.arange(count)[None] - np.arange(steps)[:, None] * source / target) * cutoff
    hann = 0.5 + 0.5 * np.cos(np.pi * distance / _CROSSINGS)
    weights = np.where(np.abs(distance) <= _CROSSINGS, np.sinc(distance) * hann, 0.0)
    out: Array = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return out


def unified(samples: Array, recorder: Recorder, rate: float, steps: int) -> tuple[Array, int]:
    """A recording `[samples, 6]` as `[steps, 6]` in the common layout, and how many steps are real; zeros follow them.

    What exceeds the window is left out at its end.
    """
    values = resampling(len(samples), recorder.rate, rate, steps) @ (samples * recorder.factors())
    out = np.zeros((steps, len(CHANNELS)), np.float32)
    out[: len(values)] = values
    return out, len(values)
