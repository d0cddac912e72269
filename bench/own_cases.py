"""Towers of Loam's own kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from encoder_case import Case, Network
from make_ctc import MEL
from make_towers import BN, GELU, RELU, conv
from tower import Tower


def residual(outputs: int, stride: list[int]) -> list[dict[str, Any]]:
    """Two 3x3 convolutions and a shortcut."""
    flat = [1] * len(stride)
    body = [
        conv(outputs, [3] * len(stride), stride=stride, padding=flat, bias=False), BN, RELU,
        conv(outputs, [3] * len(stride), padding=flat, bias=False), BN,
    ]
    return [{"type": "residual", "body": body, "shortcut": [conv(outputs, flat, stride=stride, bias=False), BN]}, RELU]


def own(config: dict[str, Any]) -> Network:
    tower = Tower(config)
    tower.written = config
    return tower


def save(model: Any, folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(model.written))
    save_file({k: v for k, v in model.state_dict().items() if v.is_floating_point()}, folder / "model.safetensors")


def case(
    name: str, modality: str, shape: tuple[int, ...], stages: list[dict[str, Any]], pooling: str, **more: Any
) -> Case:
    config = {
        "model_type": "loam-tower", "modality": modality, "input": shape, "stages": stages, "pooling": pooling, "dim": 384,
        **more,
    }
    return Case(name, modality, lambda: own(config), shape, lambda model, x: model(x)[0], save)


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
# Log-mel frames at a hop of 10 ms become a state every 40 ms; 1.2 million parameters.
SPEECH = [
    conv(144, [5], stride=[2], padding=[2], bias=False), BN, GELU,
    conv(144, [3], stride=[2], padding=[1], bias=False), BN, GELU,
    {"type": "transformer", "layers": 4, "heads": 4, "inner": 576},
]
# Blank, space, apostrophe and letters. The head over them is the recogniser's part, so it is not measured.
CTC = {"vocabulary": ["<blank>", "|", *"'abcdefghijklmnopqrstuvwxyz"], "mel": MEL | {"n_fft": 512, "n_mels": 80}}

CASES = (
    case("own image tower, 32 px", "image", (3, 32, 32), IMAGE, "mean"),
    case("own sound tower, 1 s", "sound", (1, 64, 100), SOUND, "mean_max"),
    case("own speech tower (CTC), 4 s", "speech", (80, 400), SPEECH, "mean", ctc=CTC),
    case("own IMU tower, 200 steps", "imu", (6, 200), IMU, "mean_max"),
)
