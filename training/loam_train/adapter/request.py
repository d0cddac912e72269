"""What is asked of a trainer, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..data import DataFolder
from ..data.review import Review
from .recipe import Recipe


@dataclass(frozen=True)
class Request:
    """One adapter to train."""

    data: DataFolder
    review: Review
    """Its rows to train on."""
    component: str
    foundation: Path
    name: str
    description: str
    licence: str
    minutes: float
    """Of computing, from reading the data to the scores; what trains ends earlier where it stops helping."""
    seed: int
    work: Path
    """Where checkpoints and curves go."""
    fresh: bool
    """Begin anew instead of continuing from a checkpoint."""
    test_rows: int
    """At most as many are scored in torch; the engine's `loam eval` scores them all."""
    recipe: Recipe = field(default_factory=Recipe)
    """Of adapters on the backbone that write or answer about files."""

    @property
    def checkpoint(self) -> Path:
        """Where the run is resumed from."""
        return self.work / "checkpoints" / "adapters" / f"{self.component}-{self.name}.pt"


@dataclass
class Trained:
    """An adapter, not yet written."""

    tensors: dict[str, torch.Tensor]
    """By PEFT's names."""
    config: dict[str, Any]
    """PEFT's `adapter_config.json`."""
    task: dict[str, Any]
    """`task.json` but for name, component and licence."""
    metrics: dict[str, float]
    losses: list[float] = field(default_factory=list)
