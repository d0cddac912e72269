"""An adapter as one safetensors file, with its configuration, its task and a digest in the metadata."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..errors import InputError

CONFIG, TASK, DIGEST = "loam.adapter_config", "loam.task", "loam.sha256"


@dataclass(frozen=True)
class Stored:
    """What lies in a package, and the foundation that it was made for."""

    tensors: dict[str, torch.Tensor]
    config: dict[str, Any]
    task: dict[str, Any]
    base: Path


def digest(tensors: dict[str, torch.Tensor]) -> str:
    """SHA-256 over names and bytes in the order of names, as the engine checks it."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(name.encode() + b"\0")
        found.update(tensors[name].contiguous().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def write(path: Path, tensors: dict[str, torch.Tensor], config: dict[str, Any], task: dict[str, Any]) -> None:
    """Writes the package; it appears whole or not at all. All tensors are of one or more dimensions."""
    tensors = {name: value.contiguous() for name, value in tensors.items()}
    metadata = {
        "format": "pt",
        CONFIG: json.dumps(config, ensure_ascii=False),
        TASK: json.dumps(task, ensure_ascii=False),
        DIGEST: digest(tensors),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(save(tensors, metadata=metadata))
    partial.replace(path)


def read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any], dict[str, Any]]:
    """Tensors, configuration and task of a package.

    Raises:
        InputError: for a file that is none, or whose tensors were changed.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118  (no mapping)
    except (OSError, SafetensorError) as error:
        raise InputError(path, str(error)) from error
    missing = [key for key in (CONFIG, TASK, DIGEST) if key not in metadata]
    if missing:
        raise InputError(path, f"metadata {missing[0]!r} is missing: it is no adapter package")
    if metadata[DIGEST] != digest(tensors):
        raise InputError(path, f"its tensors have the digest {digest(tensors)}, expected {metadata[DIGEST]}")
    return tensors, json.loads(metadata[CONFIG]), json.loads(metadata[TASK])
