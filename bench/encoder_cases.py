"""The networks that `encoders.py` measures: published shapes, random weights.

Another encoder is one more line in CASES.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import torch
import transformers
from safetensors.torch import save_file

sys.path.append(str(Path(__file__).resolve().parent.parent / "parity"))

import imagebind  # noqa: E402
from make_imagebind import Builder  # noqa: E402
from make_towers import BN, GELU, RELU, conv  # noqa: E402
from tower import Tower  # noqa: E402

Network = torch.nn.Module


def save_pretrained(model: Any, folder: Path) -> None:
    model.save_pretrained(folder)


@dataclass(frozen=True)
class Case:
    """One encoder: how it is made and saved, what it reads, and how its embedding is computed."""

    name: str
    modality: str
    make: Callable[[], Network]
    # Extents of Loam's features; the network's input is the same with a batch of one. Of texts: the number of tokens.
    shape: tuple[int, ...]
    # The embedding of a batch of one, as Loam gives it.
    embed: Callable[[Any, torch.Tensor], torch.Tensor] = lambda model, x: model(x).pooler_output
    save: Callable[[Any, Path], None] = save_pretrained

    def features(self) -> torch.Tensor:
        """Random input: token ids for texts, else values."""
        return torch.randint(5, 1000, self.shape) if self.modality == "text" else torch.randn(self.shape)


def vit(width: int, heads: int, layers: int = 12) -> Network:
    config = transformers.ViTConfig(
        hidden_size=width, num_attention_heads=heads, intermediate_size=4 * width, num_hidden_layers=layers
    )
    return transformers.ViTModel(config)


def whisper(width: int, layers: int, heads: int) -> Network:
    """The decoder is not measured, so it is as small as it may be."""
    config = transformers.WhisperConfig(
        d_model=width, encoder_layers=layers, encoder_attention_heads=heads, encoder_ffn_dim=4 * width,
        decoder_layers=1, decoder_attention_heads=heads, decoder_ffn_dim=width,
    )
    return transformers.WhisperModel(config)


def minilm() -> Network:
    config = transformers.BertConfig(
        hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
    )
    return transformers.BertModel(config, add_pooling_layer=False)


def save_minilm(model: Any, folder: Path) -> None:
    """In the layout of sentence-transformers."""
    model.save_pretrained(folder)
    module = "sentence_transformers.models."
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": f"{module}Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{module}Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": f"{module}Normalize"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 256}))
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 384, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling/config.json").write_text(json.dumps(pooling))


def save_wav2vec2(model: Any, folder: Path) -> None:
    model.save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)


def unit_mean(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(model(tokens).last_hidden_state.mean(1), dim=-1)


class ImageBindTower(Network):
    """One tower of ImageBind, of the formulae in `parity/imagebind.py`."""

    def __init__(self, tower: imagebind.Tower, sizes: dict[str, int], kernel: tuple[int, ...], tokens: int) -> None:
        super().__init__()
        self.tower, self.sizes = tower, sizes
        build, width, name = Builder(), sizes["hidden_size"], tower.name
        base = f"modality_preprocessors.{name}"
        build.blocks(name, width, sizes["num_hidden_layers"])
        build.weight(f"modality_heads.{name}.{tower.head}.weight", 1024, width)
        build.norm(f"modality_heads.{name}.0", width)
        build.weight(f"{base}.{tower.stem}.weight", width, *kernel)
        build.norm(f"{base}.{tower.stem.removesuffix('.proj')}.norm_layer", width)
        build.vector(f"{base}.cls_token", 1, 1, width)
        positions = "pos_embed" if name == "imu" else "pos_embedding_helper.pos_embed"
        build.vector(f"{base}.{positions}", 1, tokens, width)
        build.state[f"modality_postprocessors.{name}.1.log_logit_scale"] = torch.tensor(1.6)
        # Weights that are not gentle make a deep network amplify rounding, on either side.
        self.state = {name: t * 0.25 if t.dim() > 1 and "norm" not in name else t for name, t in build.state.items()}

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        return imagebind.embed(self.state, self.tower, [clip[0]])[0][None]

    def save(self, folder: Path) -> None:
        config = {"model_type": "imagebind", self.tower.name: self.sizes}
        (folder / "config.json").write_text(json.dumps(config))
        save_file(self.state, folder / "model.safetensors")


def residual(outputs: int, stride: list[int]) -> list[dict[str, Any]]:
    """Two 3x3 convolutions and a shortcut."""
    flat = [1] * len(stride)
    body = [
        conv(outputs, [3] * len(stride), stride=stride, padding=flat, bias=False), BN, RELU,
        conv(outputs, [3] * len(stride), padding=flat, bias=False), BN,
    ]
    return [{"type": "residual", "body": body, "shortcut": [conv(outputs, flat, stride=stride, bias=False), BN]}, RELU]


def own(modality: str, shape: list[int], stages: list[dict[str, Any]], pooling: str) -> Network:
    config = {"model_type": "loam-tower", "modality": modality, "input": shape, "stages": stages, "pooling": pooling}
    tower = Tower(config | {"dim": 384})
    tower.written = config | {"dim": 384}
    return tower


def save_own(model: Any, folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(model.written))
    save_file({k: v for k, v in model.state_dict().items() if v.is_floating_point()}, folder / "model.safetensors")


# 1.2 million parameters.
IMAGE = [
    conv(32, [3, 3], padding=[1, 1], bias=False), BN, RELU,
    *residual(32, [1, 1]), *residual(64, [2, 2]), *residual(128, [2, 2]), *residual(192, [2, 2]),
]
# A second of log-mel frames at a hop of 10 ms, 0.3 million parameters.
SOUND = [
    conv(24, [5, 5], stride=[2, 2], padding=[2, 2], bias=False), BN, GELU,
    *residual(32, [1, 1]), *residual(64, [2, 2]), *residual(96, [2, 2]),
]
# 0.25 million parameters.
IMU = [
    conv(64, [7], stride=[2], padding=[3], bias=False), BN, GELU,
    *residual(64, [1]), *residual(96, [2]), *residual(128, [2]),
]

CASES = (
    Case("MiniLM-L6, 32 tokens", "text", minilm, (32,), unit_mean, save_minilm),
    Case("ViT-Ti/16 224", "image", lambda: vit(192, 3), (3, 224, 224)),
    Case("ViT-S/16 224", "image", lambda: vit(384, 6), (3, 224, 224)),
    Case("ViT-B/16 224", "image", lambda: vit(768, 12), (3, 224, 224)),
    Case(
        "CLIP ViT-B/32 224",
        "image",
        lambda: transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig()),
        (3, 224, 224),
        lambda model, x: model(x).image_embeds,
    ),
    Case(
        "SigLIP B/16 224",
        "image",
        lambda: transformers.SiglipVisionModel(transformers.SiglipVisionConfig()),
        (3, 224, 224),
    ),
    Case("AST, 10 s", "sound", lambda: transformers.ASTModel(transformers.ASTConfig()), (1024, 128)),
    Case(
        "ImageBind audio, 2 s",
        "sound",
        lambda: ImageBindTower(
            imagebind.Tower("audio", 12, "rgbt_stem.proj", 10),
            dict(hidden_size=768, num_hidden_layers=12, num_attention_heads=12), (1, 16, 16), 12 * 19 + 1,
        ),
        (128, 204),
        lambda model, x: model(x),
        ImageBindTower.save,
    ),
    Case(
        "ImageBind IMU, 10 s",
        "imu",
        lambda: ImageBindTower(
            imagebind.Tower("imu", 8, "imu_stem.proj", 8, head="3"),
            dict(hidden_size=512, num_hidden_layers=6, num_attention_heads=8), (48,), 251,
        ),
        (6, 2000),
        lambda model, x: model(x),
        ImageBindTower.save,
    ),
    Case(
        "Whisper tiny encoder, 30 s",
        "speech",
        lambda: whisper(384, 4, 6),
        (80, 3000),
        lambda model, x: model.encoder(x).last_hidden_state.mean(1),
    ),
    Case(
        "Whisper base encoder, 30 s",
        "speech",
        lambda: whisper(512, 6, 8),
        (80, 3000),
        lambda model, x: model.encoder(x).last_hidden_state.mean(1),
    ),
    Case(
        "Wav2Vec2 base, 4 s",
        "speech",
        lambda: transformers.Wav2Vec2Model(transformers.Wav2Vec2Config()),
        (64000,),
        lambda model, x: model(x).last_hidden_state.mean(1),
        save_wav2vec2,
    ),
    Case(
        "own image tower, 32 px", "image", lambda: own("image", [3, 32, 32], IMAGE, "mean"), (3, 32, 32),
        lambda model, x: model(x)[0], save_own,
    ),
    Case(
        "own sound tower, 1 s", "sound", lambda: own("sound", [1, 64, 100], SOUND, "mean_max"), (1, 64, 100),
        lambda model, x: model(x)[0], save_own,
    ),
    Case(
        "own IMU tower, 200 steps", "imu", lambda: own("imu", [6, 200], IMU, "mean_max"), (6, 200),
        lambda model, x: model(x)[0], save_own,
    ),
)
