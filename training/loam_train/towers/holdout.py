"""The `holdout` command: what a tower makes of a set, or of classes, that it never saw.

Scores on the labels of training say little about other labels: with few classes, a trunk may learn to tell those apart and
nothing of what their names have in common. So the same run is trained without some of its data and scored on just that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ..errors import InputError
from . import anchors, command, component, score
from .anchors import Embed
from .component import Component
from .data import Split, TowerSet
from .modality import Modality
from .run import Run, Source


@dataclass(frozen=True)
class Held:
    """What training did not see."""

    data: TowerSet
    """The whole set that it is of."""
    classes: list[int]
    """Of that set; all of them where the set as a whole was held out."""
    told: int
    """How many of these classes have words that other sets trained with: their name is known, if not their sensor."""


@dataclass(frozen=True)
class Unseen:
    """Zero-shot scores on the test examples of the unseen classes; per cent."""

    examples: int
    classes: int
    """Unseen ones."""
    told: int
    """Of these, known by name from another set."""
    accuracy: float
    """Among the unseen classes."""
    chance: float
    among_all: float
    """Among all classes of the set: those that were seen attract what they know no better name for."""
    chance_all: float

    def record(self) -> dict[str, float]:
        """Rounded, for JSON."""
        return {name: round(value, 2) for name, value in asdict(self).items()}


def without(
    run: Run, path: Path, data: Sequence[TowerSet], name: str, classes: Sequence[str]
) -> tuple[Run, list[TowerSet], Held]:
    """The run and its sets without set `name`, or without some of its classes, and what was left out.

    Classes go from every set that says them in the same words.

    Raises:
        InputError: for a set or class that the run's file `path` does not have, and if nothing is left to train with.
    """
    held = next((one for one in data if one.name == name), None)
    if held is None:
        raise InputError(path, f"it has no set {name!r}; known are {', '.join(one.name for one in data)}")
    for one in classes:
        if one not in held.source.labels:
            raise InputError(path, f"set {name} has no class {one!r}; known are {', '.join(held.source.labels)}")
    if classes:
        hidden = {held.source.labels[one] for one in classes}
        left = [_subset(one, [i for i, label in enumerate(one.labels) if label not in hidden]) for one in data]
        unseen = [index for index, label in enumerate(held.labels) if label in hidden]
        title = f"{name}-{hashlib.sha256(' '.join(sorted(classes)).encode()).hexdigest()[:8]}"
    else:
        left = [one for one in data if one is not held]
        unseen = list(range(len(held.labels)))
        title = name
    # One class alone has nothing to be told apart from; a set may have had examples of the others only.
    left = [one for one in left if len(one.labels) > 1 and len(one.train) and len(one.test)]
    if not left:
        raise InputError(path, f"nothing is left to train with, without {', '.join(classes) or name}")
    known = {label for one in left for label in one.labels}
    told = sum(held.labels[index] in known for index in unseen)
    other = replace(run, name=f"{run.name}-without-{title}", sets=[one.source for one in left])
    return other, left, Held(held, unseen, told)


def _subset(data: TowerSet, kept: list[int]) -> TowerSet:
    """The set with these of its classes, in the same order."""
    labels = [data.labels[index] for index in kept]
    words = {name: label for name, label in data.source.labels.items() if label in labels}
    coarse = {group: [name for name in names if name in words] for group, names in data.source.coarse.items()}
    source: Source = replace(data.source, labels=words, coarse=coarse)
    groups = None if data.groups is None else data.groups[kept]
    valid = None if data.valid is None else _rows(data.valid, kept)
    return TowerSet(source, labels, groups, _rows(data.train, kept), _rows(data.test, kept), valid)


def _rows(split: Split, kept: list[int]) -> Split:
    """The examples of these classes, which are counted anew."""
    rows = torch.isin(split.classes, torch.tensor(kept)).nonzero()[:, 0]
    places = torch.zeros(int(split.classes.max()) + 1, dtype=torch.long)
    for place, index in enumerate(kept):
        if index < len(places):
            places[index] = place
    some = split.at(rows)
    return replace(some, classes=places[some.classes])


def measure(stored: Component, modality: Modality, held: Held, template: str, sentences: Embed) -> Unseen:
    """Scores what was held out, by one sentence a label as in the engine."""
    data = held.data
    vectors = anchors.deployed(data.labels, template, stored.transform, sentences)
    test = _rows(data.test, held.classes)
    if not len(test):
        raise InputError(Path(data.name), "its test split has no example of the classes that were held out")
    truth = torch.tensor(held.classes)[test.classes]
    cosines = score.embed(stored, modality, test) @ vectors.T
    return Unseen(
        examples=len(test),
        classes=len(held.classes),
        told=held.told,
        accuracy=score.per_cent(cosines[:, held.classes].argmax(1), test.classes),
        chance=100 / len(held.classes),
        among_all=score.per_cent(cosines.argmax(1), truth),
        chance_all=100 / len(data.labels),
    )


def train(
    run: Run, path: Path, modality: Modality, left: list[TowerSet], held: Held, sentences: Embed, work: Path
) -> dict[str, Any]:
    """Trains or continues the run on what is `left`, and gives its record with the scores of what was held out."""
    out = command.folder(run, work)
    record = command.train(run, path, modality, left, sentences, work, out)
    unseen = measure(component.read(out), modality, held, run.texts.deployed, sentences)
    return record | {"held_out": {"set": held.data.name} | unseen.record()}
