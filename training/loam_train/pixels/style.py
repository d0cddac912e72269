"""Adapters of the upscaler that draw in a style: drawings have a painting's texture, and made small they are the picture.

Texture is what random filters of several sizes see together on average (Ustyuzhaninov et al. 2016, arXiv 1606.00021): no
network that was trained on photographs is needed. The generator runs as in the engine, on a copy of a quarter of the size.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.nn import functional

from ..adapter import loop, package
from ..adapter.foundation import Component
from ..errors import InputError
from .batches import Source, tensor, validation
from .edsr import Edsr, Shape
from .pictures import HELD, Pixels, photograph

RANK = 8
RATE = 2e-3
PATCH = 28
"""Side of what is drawn again, made small, in pixels."""
BATCH = 4
TEXTURE, BRIGHTNESS = 1.0, 2.0
"""Weights of the losses."""
FILTERS, SIZES, LEVELS = 48, (3, 7, 11), 3
"""Random filters of each size, and how often the picture is halved."""
STEPS, VALIDATIONS = 4000, 10
_GREY = (0.299, 0.587, 0.114)
_SEEDS = 1_000_003


@dataclass(frozen=True)
class Style:
    """What is learned."""

    name: str
    painting: Pixels
    source: Path
    """Where the painting is from, for messages."""
    base: Component
    """The upscaler of a foundation."""
    minutes: float
    """Of computing."""
    seed: int
    checkpoint: Path


class Texture:
    """What random filters see of pictures on average, by pairs of filters."""

    def __init__(self, seed: int) -> None:
        chance = torch.Generator().manual_seed(seed)
        self._filters = []
        for size in SIZES:
            made = torch.randn(FILTERS, 3, size, size, generator=chance)
            made -= made.mean((2, 3), keepdim=True)
            # A few see colours instead of edges.
            made[:6] = torch.randn(6, 3, 1, 1, generator=chance).expand(-1, -1, size, size)
            self._filters.append(made / made.flatten(1).norm(dim=1).view(-1, 1, 1, 1))

    def of(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """Of `[batch, 3, height, width]`, together: a matrix `[filters, filters]` for each size and level."""
        found = []
        for level in range(LEVELS):
            if level:
                pictures = functional.avg_pool2d(pictures, 2)
            for filters in self._filters:
                seen = functional.relu(functional.conv2d(pictures - 0.5, filters, stride=2)).transpose(0, 1).flatten(1)
                found.append(seen @ seen.T / seen.shape[1])
        return found

    def apart(self, pictures: torch.Tensor, wanted: list[torch.Tensor]) -> torch.Tensor:
        """How far they are from the texture `wanted`, relative to it; 0 for the same."""
        pairs = zip(self.of(pictures), wanted, strict=True)
        return torch.stack([(found - right).square().sum() / right.square().sum() for found, right in pairs]).mean()


def train(style: Style, out: Path) -> dict[str, float]:
    """Trains and writes the package `out`; its metrics: how far held-out pictures are from the texture and the brightness
    that they should have, and how far they are without the adapter.

    Raises:
        InputError: for an upscaler that cannot be read, and for a painting that is smaller than the largest filters see.
    """
    torch.manual_seed(style.seed)
    network, scale = _read(style.base)
    if min(style.painting.shape[:2]) < PATCH * scale:
        height, width = style.painting.shape[:2]
        raise InputError(style.source, f"{width} x {height} pixels, expected {PATCH * scale} a side or more")
    source, texture = Source(scale, PATCH), Texture(style.seed)
    wanted = texture.of(tensor([style.painting]))
    held = [low for low, _ in validation(scale, PATCH * scale)]

    def losses(model: Any, low: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        made = model(low)
        bright = functional.l1_loss(_grey(functional.avg_pool2d(made, scale)), _grey(low))
        return texture.apart(made, wanted), bright

    def scored(model: Any) -> tuple[float, float]:
        with torch.inference_mode():
            found = [losses(model, low) for low in held]
        return sum(float(a) for a, _ in found) / len(found), sum(float(b) for _, b in found) / len(found)

    bare = scored(network)
    layers = [name for name, part in network.named_modules() if isinstance(part, torch.nn.Conv2d)]
    shape = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=layers, lora_dropout=0.0, bias="none")
    adapted: Any = get_peft_model(network, shape)

    def loss(step: int) -> torch.Tensor:
        low, _ = source.batch(style.seed * _SEEDS + step, BATCH)
        apart, bright = losses(adapted, low)
        return TEXTURE * apart + BRIGHTNESS * bright

    def evaluate() -> loop.Score:
        apart, bright = scored(adapted)
        total = TEXTURE * apart + BRIGHTNESS * bright
        return loop.Score(-total, total)

    parameters = {name: value for name, value in adapted.named_parameters() if value.requires_grad}
    shown = hashlib.sha256(style.painting.tobytes()).hexdigest()
    told = [style.base.fingerprint, style.seed, RANK, RATE, PATCH, BATCH, shown]
    digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()
    groups = [{"params": list(parameters.values()), "lr": RATE, "weight_decay": 0.0}]
    job = loop.Job(style.name, parameters, groups, loss, evaluate, digest)
    progress = loop.fit(job, loop.Schedule(STEPS, 60 * style.minutes, VALIDATIONS, VALIDATIONS), style.checkpoint)
    with torch.no_grad():
        for value in parameters.values():
            value.copy_(value.half())
    # The scores are those of the stored values.
    apart, bright = scored(adapted)
    tensors = {name: value.half() for name, value in get_peft_model_state_dict(adapted).items()}
    metrics = {
        "texture": apart, "brightness": bright, "base_texture": bare[0], "base_brightness": bare[1],
        "steps": progress.step, "seconds": progress.seconds,
        "parameters": sum(value.numel() for value in tensors.values()),
    }  # fmt: skip
    package.write(out, tensors, _config(shape, style.base.model), _task(style, metrics))
    style.checkpoint.unlink(missing_ok=True)
    return metrics


def drawn(base: Component, path: Path, pictures: torch.Tensor) -> torch.Tensor:
    """What the upscaler `base` makes of `[batch, 3, height, width]` with the package at `path`.

    Raises:
        InputError: for one that cannot be read.
    """
    network, _ = _read(base)
    tensors, config, _ = package.read(path)
    shape = LoraConfig(r=config["r"], lora_alpha=config["lora_alpha"], target_modules=config["target_modules"])
    adapted: Any = get_peft_model(network, shape)
    set_peft_model_state_dict(adapted, {name: value.float() for name, value in tensors.items()})
    with torch.inference_mode():
        found: torch.Tensor = adapted(pictures)
    return found


def _read(base: Component) -> tuple[Edsr, int]:
    try:
        told = json.loads((base.entry / "config.json").read_text(encoding="utf-8"))
        network = Edsr(Shape(told["scale"], told["n_resblocks"], told["n_feats"], told.get("res_scale", 1.0)))
        stored = load_file(base.entry / "model.safetensors")
        network.load_state_dict({name: value.float() for name, value in stored.items()})
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(base.entry, f"no EDSR can be read from it: {error}") from error
    return network, int(told["scale"])


def _grey(pictures: torch.Tensor) -> torch.Tensor:
    return (pictures * torch.tensor(_GREY).view(1, 3, 1, 1)).sum(1)


def _config(shape: LoraConfig, model: str) -> dict[str, Any]:
    written: dict[str, Any] = shape.to_dict()  # type: ignore[no-untyped-call]
    described = {key: value for key, value in written.items() if value is not None and key != "auto_mapping"}
    described["target_modules"] = sorted(described["target_modules"])
    return described | {"peft_type": "LORA", "base_model_name_or_path": model, "inference_mode": True}


def _task(style: Style, metrics: dict[str, float]) -> dict[str, Any]:
    return {
        "schema": 1,
        "name": style.name,
        "description": f"Draws pictures in the style of {style.name.replace('-', ' ')}.",
        "task": "upscale",
        "path": "generator",
        "component": style.base.name,
        "base": {style.base.name: style.base.fingerprint},
        "metrics": {name: float(f"{value:.4g}") for name, value in sorted(metrics.items())},
        "licence": "Apache-2.0",
    }


def stained_glass(seed: int, side: int) -> Pixels:
    """Cells of strong colours between dark lines: each pixel has the colour of the nearest of some points."""
    chance = np.random.default_rng(seed)
    count = side * side // 260
    points = chance.uniform(0, side, (count, 2))
    palette = np.array([
        (176, 24, 32), (20, 60, 150), (236, 180, 36), (24, 120, 70),
        (230, 226, 200), (104, 32, 110), (222, 98, 28), (60, 150, 200),
    ])  # fmt: skip
    colours = palette[chance.integers(len(palette), size=count)] * chance.uniform(0.75, 1.1, (count, 1))
    down, across = np.mgrid[:side, :side]
    squares = (down[..., None] - points[:, 0]) ** 2 + (across[..., None] - points[:, 1]) ** 2
    two = np.partition(squares, 1, axis=-1)[..., :2]
    line = np.clip((np.sqrt(two[..., 1]) - np.sqrt(two[..., 0])) / 2.2, 0, 1)[..., None]
    return np.asarray((colours[squares.argmin(-1)] * line + np.array((18, 16, 20)) * (1 - line)).clip(0, 255), np.uint8)


def write_set(out: Path, painting: Pixels, style: str) -> list[str]:
    """Writes the held-out pictures and a painting as WikiArt and COCO are published, a row for each picture; their names."""
    kind = style.replace("-", "_").capitalize()
    for folder in ("Style", "content", f"wikiart/{kind}"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    rows = []
    for number, name in enumerate(HELD, 1):
        Image.fromarray(photograph(name)).save(out / "content" / f"{number:012}.png")
        Image.fromarray(painting).save(out / "wikiart" / kind / f"painting_{number}.png")
        rows.append(f"{kind}/painting_{number}.png,0\n")
    (out / "Style" / "style_class.txt").write_text(f"0 {kind}\n", encoding="utf-8")
    (out / "Style" / "style_val.csv").write_text("".join(rows), encoding="utf-8")
    return list(HELD)
