"""Loam's own towers in PyTorch: the network that a `config.json` of model_type "loam-tower" describes.

Module paths are those of the exported tensors, so a state dict is the checkpoint and an adapter made with peft on this
module binds to the engine's tower. `states` are `[B, positions, channels]`, `embedding` is not normalised.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

ACTIVATIONS: dict[str, Any] = {"gelu": nn.GELU, "relu": nn.ReLU, "silu": nn.SiLU}


class Residual(nn.Module):
    """`shortcut(x) + body(x)`."""

    def __init__(self, body: nn.Sequential, shortcut: nn.Sequential) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.shortcut(x) + self.body(x)


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.mlp_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.attention_norm(x)
        q, k, v = (
            layer(h).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        attended = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.output(attended)
        return x + self.down(nn.functional.gelu(self.up(self.mlp_norm(x))))


class Transformer(nn.Module):
    """Learned positions and blocks over all positions of a series or a grid."""

    def __init__(self, window: torch.Size, width: int, layers: int, heads: int, inner: int) -> None:
        super().__init__()
        self.window = window
        self.positions = nn.Parameter(torch.zeros(window.numel(), width))
        self.blocks = nn.ModuleList(Block(width, heads, inner) for _ in range(layers))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shape = x.shape
        # An input that is narrower than the window has the first positions of each row.
        positions = self.positions.unflatten(0, self.window)[..., : shape[-1], :].flatten(0, -2)
        x = x.flatten(2).transpose(1, 2) + positions
        for block in self.blocks:
            x = block(x)
        return x.transpose(1, 2).reshape(shape)


def build(stages: list[dict[str, Any]], shape: torch.Size) -> tuple[nn.Sequential, torch.Size]:
    """The stages for an input of `[channels, length]` or `[channels, height, width]`, and what they give."""
    modules: list[nn.Module] = []
    series = len(shape) == 2
    for stage in stages:
        kind = stage["type"]
        if kind == "conv":
            make = nn.Conv1d if series else nn.Conv2d
            stride, padding = stage.get("stride") or 1, stage.get("padding") or 0
            options = dict(
                stride=stride if stride == 1 else tuple(stride),
                padding=padding if padding == 0 else tuple(padding),
                bias=stage.get("bias", True),
            )
            module: nn.Module = make(shape[0], stage["outputs"], tuple(stage["kernel"]), **options)
        elif kind == "batch_norm":
            module = (nn.BatchNorm1d if series else nn.BatchNorm2d)(shape[0])
        elif kind == "activation":
            module = ACTIVATIONS[stage["kind"]]()
        elif kind == "max_pool":
            module = (nn.MaxPool1d if series else nn.MaxPool2d)(tuple(stage["kernel"]), tuple(stage["stride"]))
        elif kind == "residual":
            body, _ = build(stage["body"], shape)
            shortcut, _ = build(stage.get("shortcut", []), shape)
            module = Residual(body, shortcut)
        elif kind == "upsample":
            module = nn.Upsample(scale_factor=stage["factor"], mode="nearest")
        elif kind == "pixel_shuffle":
            module = nn.PixelShuffle(stage["factor"])
        elif kind == "transformer":
            module = Transformer(shape[1:], shape[0], stage["layers"], stage["heads"], stage["inner"])
        else:
            raise ValueError(f"stage type {kind!r} is unknown")
        with torch.no_grad():
            shape = module.eval()(torch.zeros(1, *shape)).shape[1:]
        modules.append(module)
    return nn.Sequential(*modules), shape


class Tower(nn.Module):
    """A trunk of stages, pooling, a norm and a projection into the shared space."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.pooling = config["pooling"]
        self.stages, shape = build(config["stages"], torch.Size(config["input"]))
        width = shape[0] * (2 if self.pooling == "mean_max" else 1)
        self.norm = nn.LayerNorm(width)
        self.projection = nn.Linear(width, config["dim"])

        if "ctc" in config:
            self.ctc_head = nn.Linear(shape[0], len(config["ctc"]["vocabulary"]))

    def frames(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of each frame `[B, frames, vocabulary]`, of a speech tower that hears frame by frame."""
        return self.ctc_head(self.stages(x).flatten(2).transpose(1, 2))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`embedding` and `states`."""
        states = self.stages(x).flatten(2).transpose(1, 2)
        pooled = states.mean(1)
        if self.pooling == "mean_max":
            pooled = torch.cat([pooled, states.amax(1)], -1)
        return self.projection(self.norm(pooled)), states
