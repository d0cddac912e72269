"""Where things are. Nothing that is made goes into the repository unless a command line says so."""

from __future__ import annotations

import os
from pathlib import Path

ROOT: Path = Path(__file__).resolve().parents[2]
SETS: Path = ROOT.parent / "shared" / "data"


def cache() -> Path:
    """Checkpoints, curves and exported towers; read at call time, so that tests can move it."""
    return Path(os.environ.get("LOAM_TRAINING_CACHE", Path.home() / ".cache" / "loam" / "training"))


def foundation() -> Path:
    """The installed foundation whose text encoder spans the space."""
    home = Path(os.environ.get("LOAM_HOME", Path.home() / ".cache" / "loam"))
    return home / "foundations" / "loam-nano"
