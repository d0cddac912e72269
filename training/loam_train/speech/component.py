"""A trained tower as the engine reads it: a directory with `config.json`, weights and a record."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from ..errors import InputError
from . import network
from .mel import Mel
from .settings import Run

_MEL_KEYS = {
    "rate": "sample_rate", "transform": "n_fft", "hop": "hop", "bins": "n_mels", "low": "f_min", "high": "f_max",
}  # fmt: skip


@dataclass(frozen=True)
class Component:
    """What a directory holds."""

    tower: nn.Module
    """In evaluation mode, with the weights as they were stored."""
    mel: Mel
    vocabulary: list[str]


def write(folder: Path, tower: nn.Module, run: Run, record: dict[str, Any]) -> None:
    """Writes the directory. Weights are fp16; vectors, such as the variances of norms, keep their range in fp32."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: (value.half() if value.ndim > 1 else value.float()).contiguous()
        for name, value in tower.state_dict().items()
        if value.is_floating_point()
    }
    (folder / "model.safetensors").write_bytes(save(tensors))
    _write_json(folder / "config.json", network.config(run))
    _write_json(folder / "training.json", record)


def read(folder: Path) -> Component:
    """The directory as torch runs it.

    Raises:
        InputError: for a file that is missing or does not fit.
    """
    path, described = folder / "model.safetensors", _read_json(folder / "config.json")
    try:
        ctc = described["ctc"]
        found = {name: ctc["mel"][key] for name, key in _MEL_KEYS.items()}
        mel = Mel(**found, offset=ctc["mel"]["log"]["offset"], scale=ctc["mel"]["normalize"]["scale"])
        vocabulary = list(ctc["vocabulary"])
    except (KeyError, TypeError) as error:
        raise InputError(folder / "config.json", f"ctc: {error} is missing or of another kind") from error
    if mel.description() != ctc["mel"]:
        raise InputError(folder / "config.json", "ctc.mel is not of the kind that this package makes")
    try:
        tensors = {name: value.float() for name, value in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise InputError(path, str(error)) from error
    tower = network.build(described, folder / "config.json")
    # Counters of batches seen have no meaning outside training and are not stored.
    try:
        missing, unknown = tower.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        raise InputError(path, f"it does not fit config.json: {error}") from error
    wrong = [*unknown, *(name for name in missing if not name.endswith("num_batches_tracked"))]
    if wrong:
        raise InputError(path, f"it does not fit config.json: {', '.join(wrong)}")
    return Component(tower.eval(), mel, vocabulary)


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
