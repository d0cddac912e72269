"""Embeddings of all inputs of a run, and the questions about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ..adapter.features import Eyes, inputs
from ..data import DataFolder, Example
from ..towers.data import Split, TowerSet


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
    embeddings = eyes.embed(inputs(list(first.values()), data, eyes))
    rows = [Question(places_of[e.file, e.index], e.prompt, e.outputs) for e in examples]
    return Questions(embeddings, rows)


def captions(data: TowerSet, part: Split, question: str, answer: str) -> list[Question]:
    """One question about each input of a split, whose answer names its class."""
    words = [answer.replace("{}", label) for label in data.labels]
    return [Question(at, question, (words[label],)) for at, label in enumerate(part.classes.tolist())]
