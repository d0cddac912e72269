"""The network, built from the one definition that the engine's goldens are made with: `parity/tower.py`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from ..errors import InputError
from ..places import ROOT
from .settings import Run
from .text import BLANK, VOCABULARY

MAX_PARAMETERS = 8_000_000
"""Of a speech tower: more could not be trained on a desk, nor run beside other models on a phone."""


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


def config(run: Run) -> dict[str, Any]:
    """The tower's `config.json`."""
    return {
        "model_type": "loam-tower",
        "modality": "speech",
        "input": [run.mel.bins, run.network.window],
        "stages": run.network.stages,
        "pooling": "mean",
        "dim": run.network.dim,
        "ctc": {"mel": run.mel.description(), "vocabulary": VOCABULARY, "blank": BLANK},
    }


def build(described: dict[str, Any], path: Path) -> nn.Module:
    """The tower of a `config.json`, with random weights; `frames` gives logits `[rows, frames, vocabulary]`.

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
