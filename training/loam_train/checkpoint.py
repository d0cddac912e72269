"""Checkpoints of runs: replaced in one move, and refused where they are of another run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from .errors import InputError


def save(path: Path, state: dict[str, Any]) -> None:
    """Replaces the file in one move: a stop in between loses the steps since the last one, never the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def read(path: Path, names: Iterable[str]) -> dict[str, Any]:
    """A checkpoint that has these entries.

    Raises:
        InputError: for a file that is missing, damaged or without one of them.
    """
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True)
        for name in names:
            _ = state[name]
    except Exception as error:  # torch raises whatever its unpickler does
        raise InputError(path, f"no checkpoint can be read from it ({error}); delete it to begin anew") from error
    return state


def resume(path: Path, names: Iterable[str], digest: str, what: str) -> dict[str, Any] | None:
    """The checkpoint to go on from, `None` where there is none; `what` is all that its `run` is a digest of.

    Raises:
        InputError: as `read`, and for a checkpoint of another run.
    """
    if not path.exists():
        return None
    state = read(path, ("run", *names))
    if state["run"] != digest:
        raise InputError(path, f"it is a checkpoint of other {what}; delete it, or give --fresh, to begin anew")
    return state
