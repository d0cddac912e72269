"""One training run of a generator of pictures, as its TOML file describes it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from .. import table
from .edsr import Shape


@dataclass(frozen=True)
class Run:
    """All of it."""

    name: str
    scale: int
    blocks: int
    width: int
    patch: int
    """Side of a low-resolution patch, in pixels."""
    seed: int
    minutes: float
    """Of computing."""
    steps: int
    batch: int
    learning_rate: float

    def shape(self) -> Shape:
        """Of the network."""
        return Shape(self.scale, self.blocks, self.width)

    def digest(self) -> str:
        """Equal for runs whose checkpoints fit each other."""
        values = dataclasses.asdict(self)
        del values["steps"], values["minutes"]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def read(path: Path) -> Run:
    """Reads and checks.

    Raises:
        InputError: naming the key and its value.
    """
    run = table.fill(Run, table.read(path), path)
    need = table.needing(path)
    need(run.scale in (2, 3, 4, 8), "scale", run.scale, "2, 3, 4 or 8")
    for key in ("blocks", "minutes", "steps", "batch", "learning_rate"):
        need(getattr(run, key) > 0, key, getattr(run, key), "a positive number")
    need(run.width >= 3, "width", run.width, "at least 3, one per colour")
    need(8 <= run.patch <= 64, "patch", run.patch, "8 to 64")
    return run
