"""EDSR (Lim et al. 2017, arXiv 1707.02921) with the configuration and the tensor names of the package super-image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

_KERNEL = 3
_QUIET = 0.1
"""Of what residual branches give at first."""


@dataclass(frozen=True)
class Shape:
    """Of a network."""

    scale: int
    n_resblocks: int
    n_feats: int
    res_scale: float = 1.0

    def config(self) -> dict[str, Any]:
        """`config.json`."""
        return {
            "model_type": "EDSR", "scale": self.scale, "n_resblocks": self.n_resblocks, "n_feats": self.n_feats,
            "n_colors": 3, "res_scale": self.res_scale, "rgb_range": 255, "no_upsampling": False,
        }  # fmt: skip


class Block(nn.Module):
    """Two convolutions beside what goes past them."""

    def __init__(self, width: int, scale: float) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(width, width), nn.ReLU(), _conv(width, width))
        self.scale = scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[batch, width, height, width]`."""
        out: torch.Tensor = x + self.scale * self.body(x)
        return out


class Edsr(nn.Module):
    """From `[batch, 3, height, width]` within 0 to 1 to the same of `scale` times the size."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.n_feats
        self.head = nn.Sequential(_conv(3, width))
        blocks = [Block(width, shape.res_scale) for _ in range(shape.n_resblocks)]
        self.body = nn.Sequential(*blocks, _conv(width, width))
        steps = [3] if shape.scale == 3 else [2] * int(math.log2(shape.scale))
        ups = [part for step in steps for part in (_conv(width, step * step * width), nn.PixelShuffle(step))]
        self.tail = nn.Sequential(nn.Sequential(*ups), _conv(width, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As the class says; not clipped."""
        x = self.head(x)
        out: torch.Tensor = self.tail(x + self.body(x))
        return out

    def begin_as_copy(self) -> None:
        """Begins as what repeats each pixel: there is little left to learn before the details."""
        convolutions = ((name, part) for name, part in self.named_modules() if isinstance(part, nn.Conv2d))
        with torch.no_grad():
            for name, conv in convolutions:
                if name.endswith(".body.0"):
                    continue
                conv.weight.mul_(_QUIET)
                if name.startswith("body.") or conv.bias is None:
                    continue
                conv.bias.zero_()
                middle = conv.weight[:, :, _KERNEL // 2, _KERNEL // 2]
                if name.startswith("tail.0."):
                    middle += torch.eye(conv.in_channels).repeat_interleave(conv.out_channels // conv.in_channels, 0)
                else:
                    middle[:3, :3] += torch.eye(3)


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, _KERNEL, padding=_KERNEL // 2)


def luminance(x: torch.Tensor) -> torch.Tensor:
    """BT.601, 16 to 235, of `[batch, 3, height, width]` within 0 to 1 as it is stored in 8 bits."""
    weights = torch.tensor([65.481, 128.553, 24.966]).view(1, 3, 1, 1)
    pixels = (x.clamp(0, 1) * 255).round() / 255
    return 16 + (pixels * weights).sum(1, keepdim=True)


def signal_to_noise(found: torch.Tensor, right: torch.Tensor, border: int) -> float:
    """PSNR of luminance in dB without `border` pixels at each side, as super-resolution is scored."""
    cut = slice(border, -border)
    squares = (luminance(found) - luminance(right))[..., cut, cut].square().mean()
    return 10 * math.log10(255**2 / squares.item())


def likeness(found: torch.Tensor, right: torch.Tensor, border: int) -> float:
    """SSIM of luminance by a Gaussian window of 11 (Wang et al. 2004) without `border` pixels at each side."""
    cut = slice(border, -border)
    a, b = (luminance(x)[..., cut, cut].double() for x in (found, right))
    line = torch.exp(-((torch.arange(11, dtype=torch.float64) - 5) ** 2) / (2 * 1.5**2))
    window = torch.outer(line, line).div(line.sum() ** 2).view(1, 1, 11, 11)

    def mean(x: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(x, window)

    one, two = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    of_a, of_b = mean(a), mean(b)
    spread = mean(a * a) - of_a**2 + mean(b * b) - of_b**2
    both = mean(a * b) - of_a * of_b
    value = ((2 * of_a * of_b + one) * (2 * both + two)) / ((of_a**2 + of_b**2 + one) * (spread + two))
    return float(value.mean())
