"""A data set as a tower sees it, whatever it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from .. import held, reading
from ..errors import InputError
from .run import Source


@dataclass(frozen=True)
class Split:
    """One part of a set."""

    inputs: torch.Tensor
    """`[N, ...]`, as the modality keeps them."""
    extent: torch.Tensor
    """`[N]`: how much of each input is real, in the modality's own unit."""
    classes: torch.Tensor
    """`[N]`, indexes into the set's labels."""
    raw: Sequence[Any]
    """What a device would hand over, one for each input; empty for a part that is not compared with the engine."""

    origins: Sequence[str] = ()
    """`[N]`: who or what each input comes from, where the set says so: inputs of one origin are alike."""

    def __len__(self) -> int:
        return len(self.classes)

    def at(self, rows: torch.Tensor) -> Split:
        """Some of the inputs, in the order of their indexes `rows`."""
        raw, origins = ([those[row] for row in rows.tolist()] if those else [] for those in (self.raw, self.origins))
        return Split(self.inputs[rows], self.extent[rows], self.classes[rows], raw, origins)


@dataclass(frozen=True)
class TowerSet:
    """A data set with words for its classes."""

    source: Source
    labels: list[str]
    """The words for each class, by index."""
    groups: torch.Tensor | None
    """The coarse group of each class, where the run names some."""
    train: Split
    test: Split
    valid: Split | None = None
    """What training keeps back of its own part, to judge with."""

    @property
    def name(self) -> str:
        return self.source.name

    def holding(self, share: float) -> TowerSet:
        """The set with rows kept back: see `held.py`."""
        if share <= 0:
            return self
        origins = self.train.origins or [str(row) for row in range(len(self.train))]
        back = torch.from_numpy(held.held(origins, share))
        rows = [mask.nonzero()[:, 0] for mask in (~back, back)]
        return replace(self, train=self.train.at(rows[0]), valid=self.train.at(rows[1]))


def read_meta(path: Path) -> dict[str, Any]:
    """A set's `meta.json`.

    Raises:
        InputError: for a file that is not there or is no JSON object.
    """
    return reading.json_object(reading.content(path), path)


def strings(meta: dict[str, Any], name: str, path: Path) -> list[str]:
    """A list of strings in a `meta.json`."""
    found = meta.get(name)
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise InputError(path, f"{name} is {found!r}, expected a list of strings")
    return found


def words(source: Source, classes: list[str], path: Path) -> list[str]:
    """The words for each class, in the order of `classes`.

    Raises:
        InputError: for a class without words, and words for a class that is not there.
    """
    for name in classes:
        if name not in source.labels:
            raise InputError(path, f"class {name!r} has no words in labels of set {source.name}")
    for name in source.labels:
        if name not in classes:
            raise InputError(path, f"labels of set {source.name} name class {name!r}, which is not in classes")
    return [source.labels[name] for name in classes]


def groups(source: Source, classes: list[str]) -> torch.Tensor | None:
    """The coarse group of each class; classes of no group are group 0 together."""
    if not source.coarse:
        return None
    of = {name: index for index, group in enumerate(source.coarse.values(), 1) for name in group}
    return torch.tensor([of.get(name, 0) for name in classes])


def within(path: Path, name: str, values: Any, low: int, high: int) -> None:
    """Refuses the first value of an array that is out of its range, by its index."""
    wrong = ((values < low) | (values > high)).nonzero()[0]
    if len(wrong):
        raise InputError(path, f"{name}[{wrong[0]}] is {values[wrong[0]]}, expected {low} to {high}")
