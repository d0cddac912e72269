"""LIMU-BERT (Xu et al., SenSys 2021) in plain tensor operations on a state dict, and its preprocessing.

The public network departs from BERT in two ways that its weights depend on: all blocks are one and the same, and the residual
goes around the output projection of attention alone, not around attention.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

State = dict[str, torch.Tensor]
EPS = 1e-12
#: What acceleration in m/s^2 is divided by; angular rates stay in rad/s.
GRAVITY = 9.8


def norm(state: State, name: str, x: torch.Tensor) -> torch.Tensor:
    return F.layer_norm(x, x.shape[-1:], state[f"{name}.gamma"], state[f"{name}.beta"], EPS)


def linear(state: State, name: str, x: torch.Tensor) -> torch.Tensor:
    return F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])


def attention(state: State, heads: int, x: torch.Tensor) -> torch.Tensor:
    """Of `[..., steps, width]`, without an output projection."""
    q, k, v = (
        linear(state, f"transformer.attn.proj_{part}", x).unflatten(-1, (heads, -1)).transpose(-3, -2) for part in "qkv"
    )
    scores = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
    return (scores @ v).transpose(-3, -2).flatten(-2)


def states(state: State, x: torch.Tensor, *, layers: int = 4, heads: int = 4, emb_norm: bool = True) -> torch.Tensor:
    """Hidden states `[..., steps, width]` of prepared windows `[..., steps, channels]`."""
    h = linear(state, "transformer.embed.lin", x)
    if emb_norm:
        h = norm(state, "transformer.embed.norm", h)
    h = norm(state, "transformer.embed.norm", h + state["transformer.embed.pos_embed.weight"][: x.shape[-2]])
    for _ in range(layers):
        h = attention(state, heads, h)
        h = norm(state, "transformer.norm1", h + linear(state, "transformer.proj", h))
        inner = F.gelu(linear(state, "transformer.pwff.fc1", h))
        h = norm(state, "transformer.norm2", h + linear(state, "transformer.pwff.fc2", inner))
    return h


def reconstructed(state: State, h: torch.Tensor) -> torch.Tensor:
    """Windows as the pretraining head gives them back."""
    return linear(state, "decoder", norm(state, "norm", F.gelu(linear(state, "linear", h))))


def prepared(windows: np.ndarray) -> torch.Tensor:
    """`[windows, steps, channels]` in m/s^2 and rad/s, at 20 Hz."""
    scale = np.array([GRAVITY] * 3 + [1.0] * 3, dtype=np.float32)
    return torch.from_numpy(windows.astype(np.float32) / scale)
