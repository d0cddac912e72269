"""The network, built from the one definition that the engine's goldens are made with: `parity/tower.py`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from .errors import InputError
from .places import ROOT
from .run import Run

MAX_PARAMETERS = 2_000_000
"""Of a motion tower: more would neither fit the data nor a watch."""


def _definition() -> ModuleType:
    name, path = "loam_parity_tower", ROOT / "parity" / "tower.py"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[name] = module
    return sys.modules[name]


def config(run: Run, dim: int) -> dict[str, Any]:
    """The tower's `config.json`."""
    return {
        "model_type": "loam-tower",
        "modality": "imu",
        "input": [6, run.window.steps],
        "stages": run.network.stages,
        "pooling": run.network.pooling,
        "dim": dim,
        "logit_scale": run.network.logit_scale,
    }


def build(described: dict[str, Any], path: Path) -> nn.Module:
    """The tower of a `config.json`, with random weights; calls give `embedding` and `states`.

    Raises:
        InputError: naming `path`, for stages that fit neither each other nor the input, and for too many parameters.
    """
    try:
        tower: nn.Module = _definition().Tower(described).train()
    except KeyError as error:
        raise InputError(path, f"stages: {error} is missing or unknown") from error
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(path, f"stages: {error}") from error
    count = parameters(tower)
    if count > MAX_PARAMETERS:
        raise InputError(path, f"stages have {count:,} parameters, at most {MAX_PARAMETERS:,}")
    return tower


def parameters(tower: nn.Module) -> int:
    """How many numbers are learned."""
    return sum(p.numel() for p in tower.parameters())
