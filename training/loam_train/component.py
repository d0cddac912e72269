"""A trained tower as the engine reads it: a directory with `config.json`, weights, preprocessing and a record."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from . import network
from .batches import Scale
from .errors import InputError
from .run import Run, Window


@dataclass(frozen=True)
class Component:
    """What a directory holds."""

    tower: nn.Module
    """In evaluation mode, with the weights as they were stored."""
    mean: torch.Tensor
    """The anchors' mean, `[dim]`."""
    window: Window
    scale: Scale


def preprocessing(window: Window, scale: Scale) -> dict[str, Any]:
    """The engine's `preprocessor_config.json`: what came before the network in training."""
    return {
        "rate": window.rate,
        "steps": window.steps,
        "layout": "accelerometer_gyroscope",
        "acceleration": "m/s^2",
        "rotation": "rad/s",
        "gravity": "included",
        "mean": [0.0] * 6,
        "std": scale.std,
        "short": "zeros",
        "long": "keep_first",
    }


def write(folder: Path, tower: nn.Module, mean: torch.Tensor, scale: Scale, run: Run, record: dict[str, Any]) -> None:
    """Writes the directory. Weights are fp16; vectors, such as the variances of norms, keep their range in fp32."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: (value.half() if value.ndim > 1 else value.float()).contiguous()
        for name, value in tower.state_dict().items()
        if value.is_floating_point()
    }
    tensors["anchor.mean"] = mean.float().contiguous()
    (folder / "model.safetensors").write_bytes(save(tensors))
    _write_json(folder / "config.json", network.config(run, len(mean)))
    _write_json(folder / "preprocessor_config.json", preprocessing(run.window, scale))
    _write_json(folder / "training.json", record)


def read(folder: Path) -> Component:
    """The directory as torch runs it.

    Raises:
        InputError: for a file that is missing or does not fit.
    """
    described, prepared = _read_json(folder / "config.json"), _read_json(folder / "preprocessor_config.json")
    path = folder / "model.safetensors"
    try:
        tensors = {name: value.float() for name, value in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise InputError(path, str(error)) from error
    mean = tensors.pop("anchor.mean", None)
    if mean is None:
        raise InputError(path, "anchor.mean is missing")
    tower = network.build(described, folder / "config.json")
    # Counters of batches seen have no meaning outside training and are not stored.
    try:
        missing, unknown = tower.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        raise InputError(path, f"it does not fit config.json: {error}") from error
    wrong = [*unknown, *(name for name in missing if not name.endswith("num_batches_tracked"))]
    if wrong:
        raise InputError(path, f"it does not fit config.json: {', '.join(wrong)}")
    try:
        window, std = Window(rate=prepared["rate"], steps=prepared["steps"]), prepared["std"]
        scale = Scale(acceleration=std[0], rotation=std[3])
    except (KeyError, IndexError) as error:
        raise InputError(
            folder / "preprocessor_config.json", f"{error}: rate, steps and six std are expected"
        ) from error
    return Component(tower.eval(), mean, window, scale)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, error.strerror or str(error)) from error
    except json.JSONDecodeError as error:
        raise InputError(path, str(error)) from error
    return content
