"""Patches with what they are made smaller to."""

from __future__ import annotations

import numpy as np
import torch

from .pictures import TRAINED, Pixels, drawn, photograph, reduced

_LEARNED = 0.85
"""Share of a picture's columns that is learned from; validation is on the others."""
_DRAWN = 0.2
"""Share of patches that are of drawn pictures."""
_DRAWINGS, _SIDE = 160, 256


class Source:
    """Pictures in memory, and patches of them by number."""

    def __init__(self, scale: int, patch: int) -> None:
        self.scale, self.patch = scale, patch
        self.photographs = [_columns(photograph(name), 0, _LEARNED) for name in TRAINED]
        self.drawings = [drawn(seed, _SIDE) for seed in range(_DRAWINGS)]

    def batch(self, seed: int, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Low and high patches, `[rows, 3, side, side]` within 0 to 1."""
        chance = np.random.default_rng(seed)
        pairs = [self._pair(chance) for _ in range(rows)]
        return tensor([low for low, _ in pairs]), tensor([high for _, high in pairs])

    def _pair(self, chance: np.random.Generator) -> tuple[Pixels, Pixels]:
        among = self.drawings if chance.random() < _DRAWN else self.photographs
        picture, side = among[int(chance.integers(len(among)))], self.patch * self.scale
        # Reduced pictures are sharper: more is seen in a patch, and no camera's blur.
        times = int(chance.choice((1, 1, 2))) if min(picture.shape[:2]) >= 2 * side else 1
        top, left = (int(chance.integers(extent - times * side + 1)) for extent in picture.shape[:2])
        high = picture[top : top + times * side, left : left + times * side]
        if times > 1:
            high = reduced(high, times)
        high = _turned(_tinted(high, chance), chance)
        return reduced(high, self.scale), high


def validation(scale: int, side: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Middles of the columns that are not learned from, low and high, of pictures that are large enough."""
    pairs = []
    for name in TRAINED:
        rest = _columns(photograph(name), _LEARNED, 1)
        extent = min(side, rest.shape[0] // scale * scale, rest.shape[1] // scale * scale)
        top = (rest.shape[0] - extent) // 2
        high = np.ascontiguousarray(rest[top : top + extent, :extent])
        pairs.append((tensor([reduced(high, scale)]), tensor([high])))
    return pairs


def tensor(pictures: list[Pixels]) -> torch.Tensor:
    """`[batch, 3, height, width]` within 0 to 1."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


def _columns(picture: Pixels, begin: float, end: float) -> Pixels:
    width = picture.shape[1]
    return picture[:, int(begin * width) : int(end * width)]


def _tinted(picture: Pixels, chance: np.random.Generator) -> Pixels:
    """Channels in another order or, of half of the patches, of other strengths: grey pictures become coloured ones."""
    picture = picture[..., chance.permutation(3)]
    if chance.random() < 0.5:
        return picture
    return (picture * chance.uniform(0.6, 1, 3) + chance.uniform(0, 0.1, 3) * 255).clip(0, 255).astype(np.uint8)


def _turned(picture: Pixels, chance: np.random.Generator) -> Pixels:
    picture = np.rot90(picture, int(chance.integers(4)))
    return np.ascontiguousarray(picture[:, ::-1] if chance.random() < 0.5 else picture)
