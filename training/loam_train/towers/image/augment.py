"""Random changes to pictures that leave their meaning as it is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import affine_grid, grid_sample


@dataclass(frozen=True)
class Augmentation:
    """Spreads of the random changes; 0 leaves out a change."""

    shift: float
    """Of the position, in shares of the side."""
    scale: float
    """Of the size, relative."""
    rotation: float
    """Radians."""
    brightness: float
    """Added, in standard deviations of the data."""
    contrast: float
    """Of the spread about the picture's mean, relative."""
    erase: float
    """Side of the square that half of the pictures lose, in shares of the side."""


def augment(x: torch.Tensor, mirror: torch.Tensor, by: Augmentation, chance: torch.Generator) -> torch.Tensor:
    """Changed copies of `x`, `[B, C, side, side]`, standardised; `mirror` `[B]` is each picture's chance to be mirrored."""
    count, _, side, _ = x.shape

    def even(*shape: int) -> torch.Tensor:
        return 2 * torch.rand(*shape, generator=chance) - 1

    def normal() -> torch.Tensor:
        return torch.randn(count, generator=chance)

    flip = 1 - 2 * (torch.rand(count, generator=chance) < mirror).float()
    angle, size = by.rotation * normal(), 1 + by.scale * even(count)
    place = 2 * by.shift * even(count, 2)
    cosine, sine = size * angle.cos(), size * angle.sin()
    rows = [torch.stack([flip * cosine, -sine, place[:, 0]], -1), torch.stack([flip * sine, cosine, place[:, 1]], -1)]
    grid = affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
    x = grid_sample(x, grid, padding_mode="border", align_corners=False)
    if by.contrast > 0 or by.brightness > 0:
        middle = x.mean((1, 2, 3), keepdim=True)
        contrast = (1 + by.contrast * even(count))[:, None, None, None]
        x = middle + (x - middle) * contrast + (by.brightness * normal())[:, None, None, None]
    if by.erase > 0:
        centre = torch.rand(count, 2, generator=chance) * side
        along = torch.arange(side) + 0.5
        inside = [(along - centre[:, axis, None]).abs() < by.erase * side / 2 for axis in (0, 1)]
        hit = (torch.rand(count, generator=chance) < 0.5)[:, None, None]
        hole = inside[0][:, :, None] & inside[1][:, None, :] & hit
        x = x.masked_fill(hole[:, None], 0.0)
    return x
