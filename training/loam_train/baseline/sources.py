"""Where problems come from: a data folder, or a published set as a tower's run reads it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..adapter.features import RUNS, Eyes, inputs
from ..data import DataFolder, Example, open_data
from ..errors import InputError
from ..towers import run as runs
from ..towers.anchors import Transform
from ..towers.component import Component
from ..towers.data import Split, TowerSet
from ..towers.modality import Modality, open_modality
from ..towers.run import Run, Source
from .problem import Part, Problem, checked, indexes

MODALITIES = {"image": "image", "sound": "sound", "motion": "imu"}
"""From a row's kind to the tower's."""
MOST_ANSWERS = 100
"""Distinct answers to questions about pictures that are taken for classes."""


def run_file(modality: str) -> Path:
    """The run of the tower of a modality."""
    return RUNS / f"{modality}.toml"


def from_folder(path: Path, mirror: float = 0.0) -> Problem:
    """The problem in a data folder; `mirror` is the share of pictures that training shows mirrored.

    Raises:
        InputError: naming the file, the row and the value.
    """
    data = open_data(path)
    train, valid, test = (data.split(name).examples for name in ("train", "valid", "test"))
    labels = _labels(data)
    if not train or not test:
        raise InputError(path, f"{'train' if not train else 'test'} has no rows; a baseline needs both")
    if train[0].modality == "text":
        texts = [Part(_classes(rows, labels), tuple(row.prompt for row in rows)) for rows in (train, valid, test)]
        return checked(Problem(data.name, path, labels, texts[0], texts[1], texts[2]))
    file = run_file(MODALITIES[train[0].modality])
    run = runs.read(file)
    modality = open_modality(run, file)
    parts = [_media(rows, data, run, modality, labels, mirror) for rows in (train, valid, test)]
    if run.modality == "imu":
        _measure(modality, parts[0])
    return checked(Problem(data.name, path, labels, parts[0], parts[1], parts[2], run, modality))


def _labels(data: DataFolder) -> tuple[str, ...]:
    """Classes; of questions about pictures, the distinct answers."""
    if data.task == "classify":
        return tuple(data.labels)
    answers = sorted({row.outputs[0] for row in data.examples()})
    if data.task != "answer" or len(answers) > MOST_ANSWERS:
        reason = f"its task is {data.task} with {len(answers)} different outputs"
        raise InputError(data.path, f"{reason}; baselines choose among classes, or at most {MOST_ANSWERS} answers")
    return tuple(answers)


def _classes(rows: tuple[Example, ...], labels: tuple[str, ...]) -> torch.Tensor:
    return indexes(labels, [row.outputs[0] if row.label is None else row.label for row in rows])


def _media(
    rows: tuple[Example, ...], data: DataFolder, run: Run, modality: Modality, labels: tuple[str, ...], mirror: float
) -> Part:
    texts = tuple(row.prompt for row in rows) if data.task == "answer" else ()
    if not rows:
        return Part(torch.zeros(0, dtype=torch.long))
    # Of a tower, reading needs to know no more than how its inputs are prepared.
    blind = Component(nn.Identity(), Transform(torch.zeros(0), None), modality.preprocessing())
    files, places = _distinct(rows)
    found = inputs(files, data, Eyes(blind, modality, run)).at(torch.tensor(places))
    extent = torch.full((len(rows),), mirror) if modality.name == "image" else found.extent
    return Part(_classes(rows, labels), texts, found.values, extent)


def _distinct(rows: tuple[Example, ...]) -> tuple[list[Example], list[int]]:
    """Rows with a file or recording of their own, and for each row which of them it has: many questions ask about one."""
    known: dict[tuple[Path | None, int | None], int] = {}
    places = [known.setdefault((row.file, row.index), len(known)) for row in rows]
    first = {place: row for row, place in zip(reversed(rows), reversed(places), strict=True)}
    return [first[place] for place in range(len(known))], places


def _measure(modality: Modality, train: Part) -> None:
    """Scales of motion come from the training rows."""
    split = Split(*train.media(), train.classes, [])
    modality.measure([TowerSet(Source("", "", {}), [], None, split, split)])


def from_set(config: Path, name: str, root: Path) -> Problem:
    """A set of a tower's run, with the very inputs that the tower is trained on.

    Raises:
        InputError: naming the file, the row and the value.
    """
    run = runs.read(config)
    source = next((source for source in run.sets if source.name == name), None)
    if source is None:
        raise InputError(config, f"no set is called {name!r}, there are {', '.join(s.name for s in run.sets)}")
    modality = open_modality(run, config)
    found = modality.load(source, root)
    modality.measure([found])
    names = {words: label for label, words in source.labels.items()}
    people = _people(root / source.folder)
    parts = [
        Part(split.classes, (), split.inputs, split.extent, people.get(part))
        for part, split in (("train", found.train), ("test", found.test))
    ]
    none = Part(torch.zeros(0, dtype=torch.long))
    labels = tuple(names[words] for words in found.labels)
    return checked(Problem(name, root / source.folder, labels, parts[0], none, parts[1], run, modality))


def _people(folder: Path) -> dict[str, torch.Tensor]:
    """Who was recorded in each row of `train` and `test`, where the set tells."""
    arrays, listing = folder / "data.npz", folder / "manifest.jsonl"
    if arrays.exists():
        with np.load(arrays, allow_pickle=False) as found:
            names = {part: f"subject_{part}" for part in ("train", "test")}
            return {p: torch.from_numpy(found[n].astype(np.int64)) for p, n in names.items() if n in found}
    if not listing.exists():
        return {}
    rows = [json.loads(line) for line in listing.read_text(encoding="utf-8").splitlines()]
    if not all("speaker" in row for row in rows):
        return {}
    known = sorted({str(row["speaker"]) for row in rows})
    return {
        part: torch.tensor([known.index(str(row["speaker"])) for row in rows if row["split"] == part])
        for part in ("train", "test")
    }
