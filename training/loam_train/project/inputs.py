"""Embeddings of all inputs of a run, and the questions about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn.functional import normalize

from .. import places
from ..adapter.features import Inputs
from ..adapter.features import inputs as prepared
from ..data import DataFolder, Example
from ..errors import InputError
from ..towers import component as towers
from ..towers import run as tower_runs
from ..towers.component import Component
from ..towers.data import Split, TowerSet
from ..towers.modality import Modality, open_modality

_BATCH = 256


@dataclass(frozen=True)
class Eyes:
    """A tower with its preparation."""

    tower: Component
    modality: Modality
    run: tower_runs.Run

    def embed(self, given: Inputs) -> torch.Tensor:
        """Unit vectors `[N, dim]`."""
        parts = zip(torch.split(given.values, _BATCH), torch.split(given.extent, _BATCH), strict=True)
        with torch.inference_mode():
            rows = [self.tower.tower(self.modality.prepared(values, extent))[0] for values, extent in parts]
        # Inference tensors cannot take part in training.
        return normalize(torch.cat(rows), dim=-1).clone()

    def split(self, part: Split) -> torch.Tensor:
        """As `embed`, of a set's split."""
        return self.embed(Inputs(part.inputs, part.extent))


def open_eyes(folder: Path, name: str) -> Eyes:
    """The tower in `folder`, and the run called `name` that made it.

    Raises:
        InputError: for a tower that the run does not fit.
    """
    stored = towers.read(folder)
    path = places.ROOT / "training" / "configs" / "towers" / f"{name}.toml"
    run = tower_runs.read(path)
    modality = open_modality(run, path, stored.preprocessing)
    if modality.preprocessing() != stored.preprocessing:
        raise InputError(folder, f"its preprocessor_config.json is not that of {path}, so training would see other inputs")
    return Eyes(stored, modality, run)


@dataclass(frozen=True)
class Question:
    """About one input."""

    input: int
    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Questions:
    """Of a data folder's split, with one embedding for each distinct file."""

    embeddings: torch.Tensor
    rows: list[Question]


def questions(examples: Sequence[Example], data: DataFolder, eyes: Eyes) -> Questions:
    """Reads each file once, however many questions there are about it."""
    first: dict[tuple[Path | None, int | None], Example] = {}
    for example in examples:
        first.setdefault((example.file, example.index), example)
    places_of = {key: at for at, key in enumerate(first)}
    embeddings = eyes.embed(prepared(list(first.values()), data, eyes.modality, eyes.tower))
    rows = [Question(places_of[e.file, e.index], e.prompt, e.outputs) for e in examples]
    return Questions(embeddings, rows)


def captions(data: TowerSet, part: Split, question: str, answer: str) -> list[Question]:
    """One question about each input of a split, whose answer names its class."""
    words = [answer.replace("{}", label) for label in data.labels]
    return [Question(at, question, (words[label],)) for at, label in enumerate(part.classes.tolist())]
