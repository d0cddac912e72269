"""Random weights that are not gentle: no bias is zero, no norm is one, so that whatever a loader drops moves the result."""

from __future__ import annotations

import zlib

import torch


def randomise(module: torch.nn.Module, name: str, scale: float = 0.25) -> None:
    """Fills all parameters of `module`, seeded by `name`; running statistics of batch norms too."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))

    def noise(tensor: torch.Tensor) -> torch.Tensor:
        return torch.randn(tensor.shape, generator=generator)

    with torch.no_grad():
        for key, tensor in module.named_parameters():
            fan_in = tensor[0].numel() if tensor.dim() > 1 else 1
            if tensor.dim() > 1:
                tensor.copy_(noise(tensor) * max(scale, fan_in**-0.5))
            elif "norm" in key.lower() and key.endswith("weight"):
                tensor.copy_(1 + 0.3 * noise(tensor))
            elif tensor.dim() == 1:
                tensor.copy_(0.2 * noise(tensor))
        for key, tensor in module.named_buffers():
            if key.endswith("running_mean"):
                tensor.copy_(0.3 * noise(tensor))
            elif key.endswith("running_var"):
                tensor.copy_(0.5 + noise(tensor).abs())
