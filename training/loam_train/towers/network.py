"""The network, built from the one definition that the engine's goldens are made with: `parity/tower.py`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from ..errors import InputError
from ..places import ROOT
from .run import Run


def definition() -> ModuleType:
    """The module that holds it."""
    name, path = "loam_parity_tower", ROOT / "parity" / "tower.py"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[name] = module
    return sys.modules[name]


def _basic_block(stage: dict[str, Any], inputs: int, axes: int) -> list[dict[str, Any]]:
    """He et al.'s residual block of two convolutions (arXiv 1512.03385), in the stages that the engine knows."""
    outputs, stride = stage["outputs"], stage.get("stride", 1)
    norm, relu = {"type": "batch_norm"}, {"type": "activation", "kind": "relu"}

    def conv(size: int, step: int) -> dict[str, Any]:
        made = {"type": "conv", "outputs": outputs, "kernel": [size] * axes, "bias": False}
        return made | {"stride": [step] * axes, "padding": [size // 2] * axes}

    same = stride == 1 and outputs == inputs
    shortcut = [] if same else [conv(1, stride), norm]
    body = [conv(3, stride), norm, relu, conv(3, 1), norm]
    return [{"type": "residual", "body": body, "shortcut": shortcut}, relu]


def expanded(stages: list[dict[str, Any]], shape: list[int]) -> list[dict[str, Any]]:
    """The stages with each `basic_block` written out."""
    out: list[dict[str, Any]] = []
    channels = shape[0]
    for stage in stages:
        out += _basic_block(stage, channels, len(shape) - 1) if stage["type"] == "basic_block" else [stage]
        channels = stage.get("outputs", channels)
    return out


def config(run: Run, shape: list[int], dim: int) -> dict[str, Any]:
    """The tower's `config.json`."""
    return {
        "model_type": "loam-tower",
        "modality": run.modality,
        "input": shape,
        "stages": expanded(run.network.stages, shape),
        "pooling": run.network.pooling,
        "dim": dim,
        "logit_scale": run.network.logit_scale,
    }


def build(described: dict[str, Any], path: Path, most: int) -> nn.Module:
    """The tower of a `config.json`, with random weights; calls give `embedding` and `states`.

    Raises:
        InputError: naming `path`, for stages that fit neither each other nor the input, and for more than `most` parameters.
    """
    try:
        # Its size, before memory is taken for it.
        with torch.device("meta"):
            count = parameters(definition().Tower(described))
        if count > most:
            raise InputError(path, f"stages have {count:,} parameters, at most {most:,}")
        tower: nn.Module = definition().Tower(described).train()
    except KeyError as error:
        raise InputError(path, f"stages: {error} is missing or unknown") from error
    except (ValueError, TypeError, RuntimeError, AttributeError) as error:
        raise InputError(path, f"stages: {error}") from error
    return tower


def parameters(tower: nn.Module) -> int:
    """How many numbers are learned."""
    return sum(p.numel() for p in tower.parameters())
