"""Networks that `parity/` has as formulae over a state dict, in the sizes of their releases: ImageBind and LIMU-BERT."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

import torch
from safetensors.torch import save_file

import imagebind
import limu_bert
from encoder_case import Case, Network, whole
from imagebind import State
from make_imagebind import Builder

# Width of ImageBind's shared space.
SHARED = 1024
VOCABULARY, CONTEXT = 49_408, 77
# LIMU-BERT.
CHANNELS, STEPS, WIDTH, INNER = 6, 120, 72, 144


class Formula(Network):
    """A function of a state dict, which is the checkpoint that Loam reads."""

    def __init__(self, state: State, config: dict[str, Any]) -> None:
        super().__init__()
        self.state, self.config = state, config
        for tensor in state.values():
            if tensor.dim() > 1:
                # Weights that are not gentle make a deep network amplify rounding, on either side. In place, for the
                # largest network has 2.5 GB of them.
                tensor.mul_(0.25)

    def save(self, folder: Path) -> None:
        (folder / "config.json").write_text(json.dumps(self.config))
        save_file(self.state, folder / "model.safetensors")


def imagebind_config(tower: imagebind.Tower, width: int, layers: int) -> dict[str, Any]:
    sizes = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": tower.heads}
    return {"model_type": "imagebind", "projection_dim": SHARED, tower.name: sizes}


class ImageBindTower(Formula):
    """A tower of anything but text."""

    def __init__(self, tower: imagebind.Tower, width: int, layers: int, kernel: tuple[int, ...], tokens: int) -> None:
        build = Builder()
        name, base = tower.name, f"modality_preprocessors.{tower.name}"
        build.blocks(name, width, layers)
        build.weight(f"modality_heads.{name}.{tower.head}.weight", SHARED, width)
        build.norm(f"modality_heads.{name}.0", width)
        build.weight(f"{base}.{tower.stem}.weight", width, *kernel)
        build.vector(f"{base}.cls_token", 1, 1, width)
        positions = "pos_embed" if name == "imu" else "pos_embedding_helper.pos_embed"
        build.vector(f"{base}.{positions}", 1, tokens, width)
        if name == "vision":
            build.norm("modality_trunks.vision.pre_transformer_layer.0", width)
        else:
            build.norm(f"{base}.{tower.stem.removesuffix('.proj')}.norm_layer", width)
            build.state[f"modality_postprocessors.{name}.1.log_logit_scale"] = torch.tensor(1.6)
        super().__init__(build.state, imagebind_config(tower, width, layers))
        self.tower = tower

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        return imagebind.embed(self.state, self.tower, [clip[0]])[0][None]


class ImageBindText(Formula):
    """The text tower, without its scale: Loam's texts are of unit length."""

    def __init__(self, width: int, layers: int, heads: int) -> None:
        build = Builder()
        build.blocks("text", width, layers)
        build.norm("modality_heads.text.proj.0", width)
        build.weight("modality_heads.text.proj.1.weight", SHARED, width)
        build.weight("modality_preprocessors.text.token_embedding.weight", VOCABULARY, width)
        build.vector("modality_preprocessors.text.pos_embed", 1, CONTEXT, width)
        tower = imagebind.Tower("text", heads)
        super().__init__(build.state, imagebind_config(tower, width, layers))
        self.tower = tower

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return imagebind.embed_text(self.state, self.tower, tokens[0])[None]


class LimuBert(Formula):
    """The sizes that Loam takes where a configuration gives none."""

    def __init__(self) -> None:
        build = Builder()
        build.linear("transformer.embed.lin", WIDTH, CHANNELS)
        build.weight("transformer.embed.pos_embed.weight", STEPS, WIDTH)
        for module in ("attn.proj_q", "attn.proj_k", "attn.proj_v", "proj"):
            build.linear(f"transformer.{module}", WIDTH, WIDTH)
        build.linear("transformer.pwff.fc1", INNER, WIDTH)
        build.linear("transformer.pwff.fc2", WIDTH, INNER)
        for module in ("embed.norm", "norm1", "norm2"):
            build.vector(f"transformer.{module}.gamma", WIDTH)
            build.state[f"transformer.{module}.gamma"] += 1
            build.vector(f"transformer.{module}.beta", WIDTH)
        super().__init__(build.state, {"model_type": "limu-bert"})

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        return limu_bert.states(self.state, window.transpose(1, 2)).mean(1)


def case(name: str, modality: str, make: Callable[[], Formula], *shape: int, end: int | None = None) -> Case:
    return Case(name, modality, make, shape, whole, Formula.save, end)


CASES = (
    case("ImageBind text, 77 tokens", "text", lambda: ImageBindText(1024, 24, 16), CONTEXT, end=VOCABULARY - 1),
    case(
        "ImageBind vision, 224",
        "image",
        lambda: ImageBindTower(imagebind.Tower("vision", 16, "rgbt_stem.proj.1"), 1280, 32, (3, 2, 14, 14), 16 * 16 + 1),
        3, 224, 224,
    ),
    case(
        "ImageBind depth, 224",
        "depth",
        lambda: ImageBindTower(imagebind.Tower("depth", 8, "depth_stem.proj", 16), 384, 12, (1, 16, 16), 14 * 14 + 1),
        1, 224, 224,
    ),
    case(
        "ImageBind thermal, 224",
        "thermal",
        lambda: ImageBindTower(imagebind.Tower("thermal", 12, "rgbt_stem.proj", 16), 768, 12, (1, 16, 16), 14 * 14 + 1),
        1, 224, 224,
    ),
    case(
        "ImageBind audio, 2 s",
        "sound",
        lambda: ImageBindTower(imagebind.Tower("audio", 12, "rgbt_stem.proj", 10), 768, 12, (1, 16, 16), 12 * 19 + 1),
        128, 204,
    ),
    case(
        "ImageBind IMU, 10 s",
        "imu",
        lambda: ImageBindTower(imagebind.Tower("imu", 8, "imu_stem.proj", 8, head="3"), 512, 6, (48,), 250 + 1),
        6, 2000,
    ),
    case("LIMU-BERT, 6 s", "imu", LimuBert, CHANNELS, STEPS),
)
