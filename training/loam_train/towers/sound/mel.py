"""Log-mel spectrograms as the engine makes them (core/src/input/audio/log_mel.rs)."""

from __future__ import annotations

import torch

RATE = 16_000
"""Hz."""
_FFT = 512
_HOP = 256
_BINS = 64
_BAND = (40.0, 7800.0)
"""Hz: below it lies the hum of mains and hands, above it what 16 kHz hardly holds."""
_OFFSET = 1e-7
_SCALE = 3.0
"""Deviation of the logarithms over sounds of all kinds, roughly."""

BINS = _BINS
LEAST = _FFT // 2
"""Samples that a sound must exceed, as its ends are mirrored."""


def config(frames: int) -> dict[str, object]:
    """The engine's configuration of the same spectrogram, cut or filled to `frames`."""
    return {
        "sample_rate": RATE,
        "n_fft": _FFT,
        "hop": _HOP,
        "n_mels": _BINS,
        "f_min": _BAND[0],
        "f_max": _BAND[1],
        "scale": "htk",
        "log": {"kind": "ln_plus", "offset": _OFFSET},
        "ends": "centered",
        "normalize": {"kind": "clip_mean", "scale": _SCALE},
        "frames": frames,
        "cut": "center",
    }


def _bank() -> torch.Tensor:
    """Triangles of equal height, linear in Hz between points that are even on HTK's scale, `[bins, frequencies]`."""
    low, high = (2595 * torch.log10(torch.tensor(1 + f / 700, dtype=torch.double)) for f in _BAND)
    points = 700 * (10 ** (torch.linspace(float(low), float(high), _BINS + 2, dtype=torch.double) / 2595) - 1)
    frequencies = torch.linspace(0, RATE / 2, _FFT // 2 + 1, dtype=torch.double)
    left, centre, right = points[:-2, None], points[1:-1, None], points[2:, None]
    rising, falling = (frequencies - left) / (centre - left), (right - frequencies) / (right - centre)
    return torch.minimum(rising, falling).clamp(min=0)


def logarithms(samples: torch.Tensor) -> torch.Tensor:
    """`[bins, frames]` of mono samples at 16 kHz, not normalised. At least 257 samples, as the ends are mirrored."""
    window = torch.hann_window(_FFT, dtype=torch.double)
    power = torch.stft(samples.double(), _FFT, _HOP, window=window, return_complex=True).abs() ** 2
    return (_bank() @ power + _OFFSET).log().float()


def normalised(logs: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """`[B, bins, frames]` whose first `real` frames are sound: their mean removed, divided by the scale, zeros after."""
    inside = (torch.arange(logs.shape[2]) < real[:, None])[:, None].float()
    mean = (logs * inside).sum((1, 2)) / (real * logs.shape[1])
    return (logs - mean[:, None, None]) / _SCALE * inside


def cut(logs: torch.Tensor, real: torch.Tensor, frames: int, place: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`frames` of each spectrogram, from the share `place` of what is left over, and how many are sound."""
    first = ((real - frames).clamp(min=0) * place).long()
    index = (first[:, None] + torch.arange(frames)).clamp(max=logs.shape[2] - 1)
    return logs.gather(2, index[:, None].expand(-1, logs.shape[1], -1)), real.clamp(max=frames)
