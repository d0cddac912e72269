"""ImageBind's formulae (arXiv 2305.05665), re-derived in plain tensor operations on a state dict.

Nothing here is a module: a tower is a function of the state dict, of which the names are the public checkpoint's. What each
line computes is checked against torch's own `nn.MultiheadAttention` in `make_imagebind.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

State = dict[str, torch.Tensor]
# Norms of the trunks and heads; those of the stems have torch's default.
TRUNK_EPS = 1e-6
STEM_EPS = 1e-5


@dataclass(frozen=True)
class Tower:
    """What a state dict does not say: heads, the stem's name and stride, and where the head's projection stands."""

    name: str
    heads: int
    stem: str = ""
    stride: int = 0
    head: str = "2"


def norm(state: State, name: str, x: torch.Tensor, eps: float = TRUNK_EPS) -> torch.Tensor:
    return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], eps)


def attention(state: State, name: str, heads: int, x: torch.Tensor, causal: bool) -> torch.Tensor:
    """`[tokens, width]`; a learned key and value stand behind the tokens' own where the state has them."""
    tokens, width = x.shape
    q, k, v = F.linear(x, state[f"{name}.in_proj_weight"], state[f"{name}.in_proj_bias"]).split(width, dim=-1)
    if f"{name}.bias_k" in state:
        k = torch.cat([k, state[f"{name}.bias_k"].reshape(1, width)])
        v = torch.cat([v, state[f"{name}.bias_v"].reshape(1, width)])
    q, k, v = (t.reshape(len(t), heads, width // heads).transpose(0, 1) for t in (q, k, v))
    scores = q @ k.transpose(1, 2) * (width // heads) ** -0.5
    if causal:
        scores = scores.masked_fill(torch.ones(tokens, tokens).triu(1).bool(), -torch.inf)
    mixed = (scores.softmax(-1) @ v).transpose(0, 1).reshape(tokens, width)
    return F.linear(mixed, state[f"{name}.out_proj.weight"], state[f"{name}.out_proj.bias"])


def trunk(state: State, tower: Tower, x: torch.Tensor, causal: bool = False) -> torch.Tensor:
    """All blocks; `[tokens, width]`."""
    base = f"modality_trunks.{tower.name}"
    if f"{base}.pre_transformer_layer.0.weight" in state:
        x = norm(state, f"{base}.pre_transformer_layer.0", x)
    block = 0
    while f"{base}.blocks.{block}.norm_1.weight" in state:
        at = f"{base}.blocks.{block}"
        x = x + attention(state, f"{at}.attn", tower.heads, norm(state, f"{at}.norm_1", x), causal)
        inner = F.linear(norm(state, f"{at}.norm_2", x), state[f"{at}.mlp.fc1.weight"], state[f"{at}.mlp.fc1.bias"])
        x = x + F.linear(F.gelu(inner), state[f"{at}.mlp.fc2.weight"], state[f"{at}.mlp.fc2.bias"])
        block += 1
    return x


def patches(state: State, tower: Tower, clip: torch.Tensor) -> torch.Tensor:
    """Tokens of one clip before positions, `[patches, width]`."""
    base = f"modality_preprocessors.{tower.name}"
    stem = f"{base}.{tower.stem}"
    weight = state[f"{stem}.weight"]
    if weight.dim() == 5:
        # A still picture is two equal frames.
        clip = clip if clip.dim() == 4 else clip[:, None].expand(-1, 2, -1, -1)
        x = F.conv3d(clip[None], weight, stride=weight.shape[2:])[0].flatten(1).T
    elif weight.dim() == 4:
        planes = clip if clip.dim() == 3 else clip[None]
        x = F.conv2d(planes[None], weight, stride=tower.stride)[0].flatten(1).T
    else:
        # One token per `stride` samples of all channels, channel by channel.
        windows = clip.reshape(len(clip), -1, tower.stride).transpose(0, 1).flatten(1)
        x = F.linear(windows, weight)
    own_norm = f"{stem.removesuffix('.proj')}.norm_layer"
    return norm(state, own_norm, x, STEM_EPS) if f"{own_norm}.weight" in state else x


def scale(state: State, name: str) -> torch.Tensor:
    logged = state.get(f"modality_postprocessors.{name}.1.log_logit_scale")
    return torch.tensor(1.0) if logged is None else logged.exp().clip(max=100)


def embed(state: State, tower: Tower, clips: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Embedding `[dim]`, the mean over clips after normalisation and scale, and states `[clips * tokens, width]`."""
    base = f"modality_preprocessors.{tower.name}"
    positions = state.get(f"{base}.pos_embed", state.get(f"{base}.pos_embedding_helper.pos_embed"))[0]
    states, embeddings = [], []
    for clip in clips:
        x = torch.cat([state[f"{base}.cls_token"][0], patches(state, tower, clip)]) + positions
        x = trunk(state, tower, x)
        head = norm(state, f"modality_heads.{tower.name}.0", x)[0]
        out = F.linear(head, state[f"modality_heads.{tower.name}.{tower.head}.weight"])
        states.append(x)
        embeddings.append(F.normalize(out, dim=-1) * scale(state, tower.name))
    return torch.stack(embeddings).mean(0), torch.cat(states)


def embed_text(state: State, tower: Tower, tokens: torch.Tensor) -> torch.Tensor:
    """`[dim]`, of tokens padded with zeros to the full context as the public code does."""
    base = f"modality_preprocessors.{tower.name}"
    x = state[f"{base}.token_embedding.weight"][tokens] + state[f"{base}.pos_embed"][0]
    x = trunk(state, tower, x, causal=True)
    end = x[tokens.argmax()]
    out = norm(state, f"modality_heads.{tower.name}.proj.0", end)
    out = F.linear(out, state[f"modality_heads.{tower.name}.proj.1.weight"])
    return F.normalize(out, dim=-1) * scale(state, tower.name)
