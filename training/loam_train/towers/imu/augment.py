"""Random changes to standardised windows that leave their meaning as it is.

Rotation needs axes of equal scale: standardisation divides all three axes of a sensor by one number.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import normalize

ANY_MOUNTING = 0.05
"""Share of windows whose sensor is turned about any axis by any angle: a phone falls into a pocket as it likes."""


@dataclass(frozen=True)
class Augmentation:
    """Spreads of the random changes; 0 leaves out a change."""

    rotation: float
    """Of the sensor's mounting, radians."""
    scale: float
    """Of sensitivity, relative."""
    jitter: float
    """Of noise, in standard deviations of the data."""
    speed: float
    """Of how fast the movement is done, relative."""
    shift: float
    """Of the window's begin, in shares of a window."""


def augment(x: torch.Tensor, real: torch.Tensor, by: Augmentation, chance: torch.Generator) -> torch.Tensor:
    """Changed copies of `x`, `[B, 6, steps]`, whose first `real` steps were recorded; the others stay zero."""
    count, _, steps = x.shape
    if by.speed > 0 or by.shift > 0:
        x = _moved(x, real, by, chance)
    if by.rotation > 0:
        turn = rotations(count, by.rotation, chance)
        x = torch.cat([turn @ x[:, :3], turn @ x[:, 3:]], 1)
    x = x * (1 + by.scale * torch.randn(count, 1, 1, generator=chance))
    x = x + by.jitter * torch.randn(x.shape, generator=chance)
    return x * (torch.arange(steps) < real[:, None])[:, None]


def rotations(count: int, spread: float, chance: torch.Generator) -> torch.Tensor:
    """Rotation matrices `[count, 3, 3]` about random axes, by Rodrigues' formula."""
    axis = normalize(torch.randn(count, 3, generator=chance), dim=-1)
    angle = spread * torch.randn(count, generator=chance)
    anywhere = torch.rand(count, generator=chance) < ANY_MOUNTING
    angle = torch.where(anywhere, torch.rand(count, generator=chance) * 2 * torch.pi, angle)
    cross = torch.zeros(count, 3, 3)
    for row, column, sign, of in ((0, 1, -1, 2), (0, 2, 1, 1), (1, 2, -1, 0)):
        cross[:, row, column], cross[:, column, row] = sign * axis[:, of], -sign * axis[:, of]
    sine, rest = angle.sin()[:, None, None], (1 - angle.cos())[:, None, None]
    return torch.eye(3) + sine * cross + rest * (cross @ cross)


def _moved(x: torch.Tensor, real: torch.Tensor, by: Augmentation, chance: torch.Generator) -> torch.Tensor:
    """Faster or slower, earlier or later; what lies beyond either end is mirrored."""
    count, channels, steps = x.shape
    speed = 1 + by.speed * (2 * torch.rand(count, 1, generator=chance) - 1)
    shift = by.shift * (2 * torch.rand(count, 1, generator=chance) - 1)
    last = (real[:, None] - 1).float()
    middle = last / 2
    place = (torch.arange(steps)[None] - middle) * speed + middle + shift * last
    # A triangle wave of period 2 * last mirrors at both ends.
    place = last - ((place.remainder(2 * last)) - last).abs()
    left = place.floor().clamp(max=steps - 2)
    share = (place - left)[:, None]
    index = left.long()[:, None].expand(-1, channels, -1)
    return x.gather(2, index) * (1 - share) + x.gather(2, index + 1) * share
