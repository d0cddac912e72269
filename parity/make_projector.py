"""Writes projectors with what plain torch computes for them.

Each folder holds config.json of a `loam-projector`, model.safetensors and
expected.safetensors: `states` [rows * columns, inputs], `grid` and `soft`
[tokens, outputs].
"""

from __future__ import annotations

import json
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

import paths
import tiny
from make_models import fresh

INPUTS, OUTPUTS = 12, 20
GRID = (4, 6)


def shuffle(x: torch.Tensor, scale: int) -> torch.Tensor:
    """Squares of `scale * scale` states side by side, by torch's own pixel_unshuffle."""
    height, width, channels = x.shape
    out = nn.functional.pixel_unshuffle(x.permute(2, 0, 1)[None], scale)[0]
    # pixel_unshuffle orders channels before offsets; connectors order offsets before channels.
    out = out.view(channels, scale * scale, height // scale, width // scale)
    return out.permute(2, 3, 1, 0).reshape(-1, scale * scale * channels)


class Shuffled(nn.Module):
    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.modality_projection = nn.ModuleDict({"proj": nn.Linear(INPUTS * scale**2, OUTPUTS, bias=False)})

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return self.modality_projection["proj"](shuffle(states.view(*GRID, INPUTS), self.scale))


def linear(tokens: int, bias: bool) -> nn.Module:
    return nn.Sequential().append(nn.Linear(INPUTS, tokens * OUTPUTS, bias=bias))


PROJECTORS: dict[str, tuple[dict[str, Any], nn.Module, dict[str, str]]] = {
    "projector-linear": ({"kind": "linear", "tokens": 3}, linear(3, True), {"0.": "proj."}),
    "projector-mlp": (
        {"kind": "mlp", "inner": 28, "tokens": 2, "activation": "gelu_pytorch_tanh"},
        nn.Sequential(nn.Linear(INPUTS, 28), nn.GELU(approximate="tanh"), nn.Linear(28, 2 * OUTPUTS, bias=False)),
        {"0.": "fc1.", "2.": "fc2."},
    ),
    "projector-shuffle": ({"kind": "pixel_shuffle", "scale": 2}, Shuffled(2), {}),
}


def main() -> None:
    for name, (config, module, renamed) in PROJECTORS.items():
        folder = fresh(paths.MODELS / name)
        tiny.randomize(module, name)
        states = torch.randn(GRID[0] * GRID[1], INPUTS, generator=tiny.seeded(name + "/states"))
        with torch.no_grad():
            soft = module(states).reshape(-1, OUTPUTS)
        tensors = {}
        for key, value in module.state_dict().items():
            for old, new in renamed.items():
                key = new + key.removeprefix(old) if key.startswith(old) else key
            tensors[key] = value.contiguous()
        config = {"model_type": "loam-projector", **config, "inputs": INPUTS, "outputs": OUTPUTS}
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        save_file(tensors, folder / "model.safetensors")
        save_file({"states": states, "soft": soft.contiguous()}, folder / "expected.safetensors")
        print(f"{name:20} {tuple(soft.shape)}")


if __name__ == "__main__":
    main()
