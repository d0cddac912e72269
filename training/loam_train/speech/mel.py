"""The log-mel spectrogram, as the engine's `core/src/input/audio/log_mel.rs` makes it of the same description."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


@dataclass(frozen=True)
class Mel:
    """Filters of Slaney's scale over squared magnitudes under a periodic Hann window, then `ln(energy + offset)`."""

    rate: int
    """Hz."""
    transform: int
    """Samples of a frame."""
    hop: int
    """Samples from frame to frame."""
    bins: int
    low: float
    """Hz."""
    high: float
    """Hz."""
    offset: float
    """Added to energies: about what 13-bit recordings have of rounding noise, so that it is not heard."""
    scale: float
    """The mean over the sound is subtracted, then this divides."""

    def description(self) -> dict[str, Any]:
        """`ctc.mel` of the tower's `config.json`."""
        return {
            "sample_rate": self.rate,
            "n_fft": self.transform,
            "hop": self.hop,
            "n_mels": self.bins,
            "f_min": self.low,
            "f_max": self.high,
            "scale": "slaney",
            "log": {"kind": "ln_plus", "offset": self.offset},
            "ends": "centered",
            "normalize": {"kind": "clip_mean", "scale": self.scale},
        }


def _mels(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    # Linear to 1 kHz at 200/3 Hz a mel, then 27 mels per factor of 6.4: M. Slaney, Auditory Toolbox (1998).
    above = 15 + 27 * np.log(np.maximum(hertz, 1e-9) / 1000) / np.log(6.4)
    return np.where(hertz < 1000, hertz * 3 / 200, above)


def _hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(np.log(6.4) / 27 * (mels - 15)))


def _corners(mel: Mel) -> NDArray[np.float64]:
    ends = _mels(np.array([mel.low, mel.high]))
    return _hertz(np.linspace(ends[0], ends[1], mel.bins + 2))


def centres(mel: Mel) -> torch.Tensor:
    """Frequencies of the filters' peaks in Hz, `[bins]`."""
    return torch.from_numpy(_corners(mel)[1:-1]).float()


def filters(mel: Mel) -> torch.Tensor:
    """Triangles of equal area, `[bins, transform / 2 + 1]`."""
    corners = _corners(mel)
    grid = np.linspace(0, mel.rate / 2, mel.transform // 2 + 1)
    rise = (grid - corners[:-2, None]) / np.diff(corners)[:-1, None]
    fall = (corners[2:, None] - grid) / np.diff(corners)[1:, None]
    heights = 2 / (corners[2:] - corners[:-2])
    return torch.from_numpy(np.maximum(0, np.minimum(rise, fall)) * heights[:, None]).float()


class LogMel:
    """Planned once, for sounds of any length."""

    def __init__(self, mel: Mel) -> None:
        self.mel = mel
        self._filters = filters(mel)
        self._window = torch.hann_window(mel.transform)

    def compute(self, samples: NDArray[np.float32]) -> torch.Tensor:
        """Logarithms that are not normalised yet, `[bins, 1 + samples / hop]`; the sound has more samples than half a
        transform."""
        spectrum = torch.stft(
            torch.from_numpy(samples), self.mel.transform, self.mel.hop, window=self._window, return_complex=True
        )
        energies: torch.Tensor = self._filters @ (spectrum.real**2 + spectrum.imag**2)
        return torch.log(energies + self.mel.offset)


def normalised(logarithms: torch.Tensor, mel: Mel) -> torch.Tensor:
    """`[..., bins, frames]`, each spectrogram on its own."""
    return (logarithms - logarithms.mean((-2, -1), keepdim=True)) / mel.scale
