"""Random changes to spectrograms, made of energies, where noise adds and rooms multiply: no sound is computed again."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from .mel import Mel, centres


@dataclass(frozen=True)
class Augmentation:
    """Spreads of the changes from a step on; 0 leaves out a change."""

    from_step: int
    warp: float
    """Of the length of the throat, relative: bins are stretched by up to so much."""
    colour: float
    """Of a microphone's response, in nats at a few frequencies."""
    band: float
    """Share of rows that lose what is above a telephone's or an 8 kHz recording's band."""
    echo: float
    """Share of rows that are heard in a room."""
    noise: float
    """Share of rows with steady noise, from faint up."""
    noise_below: float
    """Nats of energy that noise is at least below the speech's mean; 2.3 are 10 dB."""
    gain: float
    """Of loudness, in nats of energy."""
    masks: float
    """Bands of bins, and spans of time for each two seconds, that are blanked."""


_COLOURS = 6
"""Frequencies between which a response is interpolated."""
_BAND_HERTZ = (3000.0, 4200.0)
_BAND_LOSS = 12.0
"""Nats of energy."""
_ECHO_FRAMES = 25
_FAINTEST = 9.0
"""Nats that noise is at most below the speech."""
_WIDEST_MASK = 12
"""Bins."""
_LONGEST_MASK = 16
"""Frames."""


def apply(logarithms: torch.Tensor, mel: Mel, plan: Augmentation, chance: torch.Generator) -> torch.Tensor:
    """Changed and normalised `[rows, bins, frames]` of logarithms that are not normalised; silence is `ln(offset)`."""
    rows, bins, frames = logarithms.shape

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(shape, generator=chance)

    energies = (logarithms.exp() - mel.offset).clamp_min(0)
    if plan.warp:
        energies = _warped(energies, 1 + uniform(-plan.warp, plan.warp, rows))
    energies = energies * _response(uniform(-1, 1, rows, _COLOURS), bins, plan.colour).unsqueeze(-1)
    hertz = centres(mel)
    cut = uniform(*_BAND_HERTZ, rows, 1)
    banded = uniform(0, 1, rows, 1) < plan.band
    energies = energies * torch.where(banded & (hertz > cut), math.exp(-_BAND_LOSS), 1.0).unsqueeze(-1)
    energies = _echoed(energies, uniform(2.0, 9.0, rows), (uniform(0, 1, rows) < plan.echo) * uniform(0.05, 0.5, rows))
    level = energies.mean((1, 2), keepdim=True) * uniform(-_FAINTEST, -plan.noise_below, rows, 1, 1).exp()
    level = level * (uniform(0, 1, rows, 1, 1) < plan.noise)
    # Energies of noise vary about their mean as squares of Gaussians do; a bin is the mean of several.
    wiggle = -0.5 * (uniform(1e-6, 1, rows, bins, frames) * uniform(1e-6, 1, rows, bins, frames)).log()
    energies = energies + level * _response(uniform(-1, 1, rows, _COLOURS), bins, 2.0).unsqueeze(-1) * wiggle
    energies = energies * uniform(-plan.gain, plan.gain, rows, 1, 1).exp()
    out = (energies + mel.offset).log()
    out = (out - out.mean((1, 2), keepdim=True)) / mel.scale
    return _masked(out, plan.masks, mel, chance)


def _warped(energies: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Bin `b` takes what was at `b * factor`, between bins by their distances."""
    bins = energies.shape[1]
    at = (torch.arange(bins) * factors[:, None]).clamp_max(bins - 1.0)
    low = at.long().clamp_max(bins - 2)
    share = (at - low).unsqueeze(-1)
    index = low.unsqueeze(-1).expand_as(energies)
    return energies.gather(1, index) * (1 - share) + energies.gather(1, index + 1) * share


def _response(corners: torch.Tensor, bins: int, spread: float) -> torch.Tensor:
    """Factors `[rows, bins]` that vary smoothly."""
    return functional.interpolate(spread * corners[:, None], bins, mode="linear", align_corners=True)[:, 0].exp()


def _echoed(energies: torch.Tensor, decay: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Each frame's energy lingers: `share` of it falls by a factor of e in `decay` frames."""
    tail = (-torch.arange(_ECHO_FRAMES) / decay[:, None]).exp() * share[:, None]
    tail[:, 0] = 1.0
    # By rows as channels; earlier frames come last in a correlation.
    stacked = energies.transpose(0, 1)
    padded = functional.pad(stacked, (_ECHO_FRAMES - 1, 0))
    return functional.conv1d(padded, tail.flip(1)[:, None], groups=len(energies)).transpose(0, 1)


def _masked(x: torch.Tensor, masks: float, mel: Mel, chance: torch.Generator) -> torch.Tensor:
    rows, bins, frames = x.shape
    spans = round(masks * frames * mel.hop / mel.rate / 2)
    for count, size, widest, axis in ((round(masks), bins, _WIDEST_MASK, 1), (spans, frames, _LONGEST_MASK, 2)):
        for _ in range(count):
            width = torch.randint(widest + 1, (rows, 1), generator=chance)
            begin = (torch.rand((rows, 1), generator=chance) * (size - width)).long()
            at = torch.arange(size)
            hidden = (at >= begin) & (at < begin + width)
            x = x.masked_fill(hidden.unsqueeze(3 - axis), 0.0)
    return x
