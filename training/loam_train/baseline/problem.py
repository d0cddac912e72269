"""A task with its data as every baseline reads it: texts, tensors or both, and the class of each row."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..errors import InputError
from ..towers.modality import Modality
from ..towers.run import Run

VALID_SHARE = 0.1
MOST_VALID = 1000
"""Rows that choose between settings: more cost time and change no choice."""


@dataclass(frozen=True)
class Part:
    """Rows of one split."""

    classes: torch.Tensor
    """`[N]`, indexes into the problem's labels."""
    texts: tuple[str, ...] = ()
    """One a row, or none at all."""
    inputs: torch.Tensor | None = None
    """`[N, ...]`, as the modality keeps them."""
    extent: torch.Tensor | None = None
    """`[N]`, in the modality's own unit."""
    groups: torch.Tensor | None = None
    """`[N]`: who was recorded, where that is known."""

    def __len__(self) -> int:
        return len(self.classes)

    def at(self, rows: torch.Tensor) -> Part:
        """The chosen rows."""

        def pick(values: torch.Tensor | None) -> torch.Tensor | None:
            return None if values is None else values[rows]

        texts = tuple(self.texts[row] for row in rows.tolist()) if self.texts else ()
        return Part(self.classes[rows], texts, pick(self.inputs), pick(self.extent), pick(self.groups))

    def media(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and extents of a problem that has them."""
        if self.inputs is None or self.extent is None:
            raise ValueError("rows of text have no inputs")
        return self.inputs, self.extent


@dataclass(frozen=True)
class Problem:
    """One task."""

    name: str
    path: Path
    """The file or folder that errors name."""
    labels: tuple[str, ...]
    train: Part
    valid: Part
    test: Part
    run: Run | None = None
    """Of the tower that reads such inputs: network, window, augmentation."""
    modality: Modality | None = None

    @property
    def kind(self) -> str:
        """`text`, `image`, `imu`, `sound`, or `question` for pictures with a text each."""
        if self.modality is None:
            return "text"
        return "question" if self.train.texts else self.modality.name

    def digest(self) -> str:
        """Equal for the same rows in the same order."""
        found = hashlib.sha256("\0".join((self.kind, *self.labels)).encode())
        for part in (self.train, self.valid, self.test):
            for text in part.texts:
                found.update(text.encode() + b"\0")
            for values in (part.inputs, part.extent, part.classes):
                if values is not None:
                    found.update(values.contiguous().view(torch.uint8).numpy().tobytes())
        return found.hexdigest()


def checked(problem: Problem) -> Problem:
    """The problem, with a validation part if it came without.

    Raises:
        InputError: for a problem that nothing can be learned from or measured on.
    """
    for name, part in (("train", problem.train), ("test", problem.test)):
        if not len(part):
            raise InputError(problem.path, f"{name} has no rows; a baseline is trained on train and scored on test")
    present = torch.unique(problem.train.classes)
    if len(present) < 2:
        only = problem.labels[int(present[0])]
        raise InputError(problem.path, f"train has one class only, {only!r}; expected two or more")
    if len(problem.valid) > MOST_VALID:
        rows = torch.randperm(len(problem.valid), generator=torch.Generator().manual_seed(0))[:MOST_VALID]
        return replace(problem, valid=problem.valid.at(rows.sort().values))
    if len(problem.valid):
        return problem
    held = held_out(problem.train, problem.test)
    if not held.any() or held.all():
        raise InputError(problem.path, f"{len(held)} rows of train are too few to hold some out; expected at least 10")
    kept, chosen = (rows.nonzero()[:, 0] for rows in (~held, held))
    return replace(problem, train=problem.train.at(kept), valid=problem.train.at(chosen))


def held_out(train: Part, test: Part) -> torch.Tensor:
    """Which rows of `train` to choose settings on, `[N]`: people of their own where the test is on people of its own.

    With the same people in both, choices would favour what remembers people.
    """
    share = min(VALID_SHARE, MOST_VALID / len(train))
    chance = torch.Generator().manual_seed(0)
    held = torch.zeros(len(train), dtype=torch.bool)
    if train.groups is not None and test.groups is not None:
        people = torch.unique(train.groups)
        if len(people) > 2 and not torch.isin(test.groups, people).any():
            for person in people[torch.randperm(len(people), generator=chance)]:
                if held.double().mean() >= share:
                    break
                held |= train.groups == person
            return held
    for label in torch.unique(train.classes):
        rows = (train.classes == label).nonzero()[:, 0]
        rows = rows[torch.randperm(len(rows), generator=chance)]
        held[rows[: round(share * len(rows) + 0.25)]] = True
    return held


def indexes(labels: Sequence[str], wanted: Sequence[str]) -> torch.Tensor:
    """The index of each label."""
    places = {label: index for index, label in enumerate(labels)}
    return torch.tensor([places[label] for label in wanted], dtype=torch.long)
