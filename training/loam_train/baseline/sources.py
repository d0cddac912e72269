"""Where problems come from: a data folder, or a published set as a tower's run reads it."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from ..data import DataFolder, Example, open_data
from ..data import files as opened
from ..errors import InputError
from ..places import ROOT
from ..towers import run as runs
from ..towers.image.sets import prepared
from ..towers.imu.layout import Recorder, unified
from ..towers.modality import Modality, open_modality
from ..towers.run import Run
from ..towers.sound import mel
from ..towers.sound.sets import spectrograms
from .problem import Part, Problem, checked, indexes

MODALITIES = {"image": "image", "sound": "sound", "motion": "imu"}
"""From a row's kind to the tower's."""
MOST_ANSWERS = 100
"""Distinct answers to questions about pictures that are taken for classes."""


def run_file(modality: str) -> Path:
    """The run of the tower of a modality."""
    return ROOT / "training" / "configs" / "towers" / f"{modality}.toml"


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
    if run.modality == "image":
        side = run.window["side"]
        picture = lru_cache(maxsize=100_000)(lambda file: prepared(opened.picture(Example("", file=file)), side))
        inputs = torch.from_numpy(np.stack([picture(row.file) for row in rows]))
        extent = torch.full((len(rows),), 0.0 if texts else mirror)
    elif run.modality == "sound":
        inputs, extent = spectrograms([_samples(row) for row in rows], run.window["kept"])
    else:
        inputs, extent = _motions(rows, data, run)
    return Part(_classes(rows, labels), texts, inputs, extent)


def _samples(row: Example) -> np.ndarray:
    samples, rate = opened.sound(row)
    if rate != mel.RATE:
        raise InputError(row.file or Path(), f"{rate} Hz; baselines hear sounds of {mel.RATE} Hz")
    if len(samples) <= mel.RATE // 20:
        raise InputError(row.file or Path(), f"{len(samples)} samples, expected more than {mel.RATE // 20}")
    return samples


def _motions(rows: tuple[Example, ...], data: DataFolder, run: Run) -> tuple[torch.Tensor, torch.Tensor]:
    how = data.motion
    if how is None:
        raise InputError(data.path / "data.json", "'motion' is missing: it tells rate and units of the recordings")
    recorder = Recorder(how.rate, how.acceleration, how.rotation, how.axes)
    rate, steps = run.window["rate"], run.window["steps"]
    pairs = []
    for row in rows:
        samples = opened.motion(row)
        if samples.shape[1] != 6 or len(samples) < 2:
            expected = "expected [2 or more, 6], acceleration and rotation"
            raise InputError(row.file or data.path, f"{row.where} has shape {list(samples.shape)}, {expected}")
        pairs.append(unified(samples, recorder, rate, steps))
    windows = np.stack([values for values, _ in pairs]).transpose(0, 2, 1).copy()
    return torch.from_numpy(windows), torch.tensor([real for _, real in pairs])


def _measure(modality: Modality, train: Part) -> None:
    """Scales of motion come from the training rows."""
    from ..towers.data import Split, TowerSet
    from ..towers.run import Source

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
