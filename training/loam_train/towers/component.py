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

from .. import reading
from ..errors import InputError
from . import network
from .anchors import Transform

MOST = 8_000_000
"""Parameters of the largest tower that is read, one for speech."""


@dataclass(frozen=True)
class Component:
    """What a directory holds."""

    tower: nn.Module
    """In evaluation mode, with the weights as they were stored."""
    transform: Transform
    """Of the text encoder's vectors."""
    preprocessing: dict[str, Any]
    """`preprocessor_config.json`."""


def write(
    folder: Path,
    tower: nn.Module,
    transform: Transform,
    config: dict[str, Any],
    preprocessing: dict[str, Any],
    record: dict[str, Any],
) -> None:
    """Writes the directory. Weights are fp16; vectors, such as the variances of norms, keep their range in fp32."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value for name, value in tower.state_dict().items() if value.is_floating_point()}
    tensors["anchor.mean"] = transform.mean
    if transform.whitening is not None:
        tensors["anchor.whitening"] = transform.whitening
    stored = {name: (t.half() if t.ndim > 1 else t.float()).contiguous() for name, t in tensors.items()}
    (folder / "model.safetensors").write_bytes(save(stored))
    _write_json(folder / "config.json", config)
    _write_json(folder / "preprocessor_config.json", preprocessing)
    _write_json(folder / "training.json", record)


def read(folder: Path) -> Component:
    """The directory as torch runs it.

    Raises:
        InputError: for a file that is missing or does not fit.
    """
    described, prepared = (
        reading.json_object(reading.content(path), path)
        for path in (folder / "config.json", folder / "preprocessor_config.json")
    )
    path = folder / "model.safetensors"
    try:
        tensors = {name: value.float() for name, value in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise InputError(path, str(error)) from error
    wild = next((name for name, value in tensors.items() if not value.isfinite().all()), None)
    if wild is not None:
        raise InputError(path, f"{wild} holds a value that is not finite")
    dim = described.get("dim")
    mean, whitening = (
        _anchor(tensors, name, shape, path) for name, shape in (("mean", [dim]), ("whitening", [dim, dim]))
    )
    if mean is None:
        raise InputError(path, "anchor.mean is missing")
    tower = network.build(described, folder / "config.json", MOST)
    # Counters of batches seen have no meaning outside training and are not stored.
    try:
        missing, unknown = tower.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        raise InputError(path, f"it does not fit config.json: {error}") from error
    wrong = [*unknown, *(name for name in missing if not name.endswith("num_batches_tracked"))]
    if wrong:
        raise InputError(path, f"it does not fit config.json: {', '.join(wrong)}")
    return Component(tower.eval(), Transform(mean, whitening), prepared)


def _anchor(tensors: dict[str, torch.Tensor], name: str, shape: list[Any], path: Path) -> torch.Tensor | None:
    value = tensors.pop(f"anchor.{name}", None)
    if value is not None and list(value.shape) != shape:
        raise InputError(path, f"anchor.{name} has shape {list(value.shape)}, expected {shape}")
    return value


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
