"""The network, built from the one definition that the engine's goldens are made with: `parity/tower.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from ..towers import network
from .settings import Run
from .text import BLANK, VOCABULARY

MAX_PARAMETERS = 8_000_000
"""Of a speech tower: more could not be trained on a desk, nor run beside other models on a phone."""


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
    return network.build(described, path, MAX_PARAMETERS)
