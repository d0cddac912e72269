"""Random changes to log-mel spectrograms that leave their meaning as it is."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Augmentation:
    """Spreads of the random changes; 0 leaves out a change."""

    speed: float
    """Relative."""
    pitch: int
    """Bins up or down."""
    noise: float
    """Share of sounds that get noise, 1 to 9 nats of energy below their mean."""
    tilt: float
    """Of the microphone's response from the lowest to the highest bin, in nats."""
    mask: float
    """Longest stretch of time or frequency that is hidden, as a share; two of each (SpecAugment, arXiv 1904.08779)."""


def warped(
    x: torch.Tensor, real: torch.Tensor, by: Augmentation, chance: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logarithms `[B, bins, frames]` and their real frames, at other speeds, pitches, responses and noise levels."""
    count, bins, frames = x.shape
    speed = 1 + by.speed * (2 * torch.rand(count, 1, generator=chance) - 1)
    last = (real[:, None] - 1).float()
    place = torch.minimum(torch.arange(frames)[None] * speed, last)
    left = place.floor().clamp(max=frames - 2)
    share, index = (place - left)[:, None], left.long()[:, None].expand(-1, bins, -1)
    x = x.gather(2, index) * (1 - share) + x.gather(2, index + 1) * share
    real = (real / speed[:, 0]).round().long().clamp(4, frames)
    if by.pitch:
        moved = torch.randint(-by.pitch, by.pitch + 1, (count, 1), generator=chance)
        rows = (torch.arange(bins)[None] + moved).clamp(0, bins - 1)
        x = x.gather(1, rows[..., None].expand(-1, -1, frames))
    if by.tilt > 0:
        ramp = torch.linspace(-0.5, 0.5, bins)[None, :, None]
        x = x + by.tilt * torch.randn(count, 1, 1, generator=chance) * ramp
    if by.noise > 0:
        level = x.mean((1, 2), keepdim=True) - 1 - 8 * torch.rand(count, 1, 1, generator=chance)
        noisy = torch.logaddexp(x, level + 0.5 * torch.randn(x.shape, generator=chance))
        x = torch.where(torch.rand(count, 1, 1, generator=chance) < by.noise, noisy, x)
    return x, real


def masked(x: torch.Tensor, real: torch.Tensor, by: Augmentation, chance: torch.Generator) -> torch.Tensor:
    """Normalised spectrograms with stretches of time and frequency at their mean, which is 0."""
    count, bins, frames = x.shape
    for _ in range(2):
        for axis, extent, size in ((1, torch.full((count, 1), bins), bins), (2, real[:, None], frames)):
            begin = torch.rand(count, 1, generator=chance) * extent
            length = torch.rand(count, 1, generator=chance) * by.mask * extent
            at = torch.arange(size)[None]
            hidden = (at >= begin) & (at < begin + length)
            x = x.masked_fill(hidden[:, :, None] if axis == 1 else hidden[:, None, :], 0.0)
    return x
