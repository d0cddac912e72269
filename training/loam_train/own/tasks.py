"""Which sets have such a model, and how each makes its answers."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from .. import places
from ..data import texts as published
from ..data.published import Row, place_of, rows
from .candidate import Candidate, Pair, choose
from .edits import Edits
from .extract import Extract
from .nearest import Nearest
from .pictures import SIDE, Captioner, Told, Towers, Words
from .scenes import FOLDERS, solved
from .sequence import Sequences
from .spans import Spans


@dataclass(frozen=True)
class Made:
    """A model's answers to all test rows, in the form of run files."""

    model: str
    size: int
    """Bytes."""
    predictions: list[tuple[str, Any]]
    """Of all rows in their order, each with the row's id."""
    rows: Path | None = None
    """Where the rows are in their official form, of a set that is made and not published."""


@dataclass(frozen=True)
class Task:
    """A set with the kinds of models that are tried on it."""

    id: str
    """`T1` to `T50`."""
    set: str
    make: Callable[[Path, float, int], Made]
    """From the folder of all sets, seconds of computing and a seed."""
    alone: bool = field(default=True)
    """Whether the set's name says which answers are meant."""

    @property
    def key(self) -> str:
        """In `baselines.json`."""
        return self.set if self.alone else f"{self.set}@{self.id}"


def _ids(found: Iterable[Row]) -> list[str]:
    """Rows without an id are named by their lines."""
    return [str(row.get("id", f"line {number}")) for number, row in enumerate(found, 1)]


def _texts(ids: list[str], answers: list[str]) -> list[tuple[str, Any]]:
    return [(row, {"text": text}) for row, text in zip(ids, answers, strict=True)]


def pairs(name: str, root: Path, split: str) -> list[Pair]:
    """A split of a set of `folders` whose answers are texts."""
    source = published.SETS[name]
    made = source.rows(place_of(root, source.folder), split)
    return [Pair(row["text"], tuple(row.get("outputs") or (row["output"],))) for row in made]


def asked_of_xquad(root: Path) -> tuple[list[str], list[str]]:
    """Its test rows as SQuAD's are asked; their ids."""
    test = rows(place_of(root, "nlp/xquad_en"), "test")
    return [f"{row['context']}\n\nQuestion: {row['question']}" for row in test], _ids(test)


def _written(name: str, *candidates: Candidate) -> Callable[[Path, float, int], Made]:
    """Texts from texts; `name` is a set of `folders`."""

    def make(root: Path, seconds: float, seed: int) -> Made:
        chosen = choose(candidates, pairs(name, root, "train"), seconds, seed)
        answers = chosen.model.answers([pair.text for pair in pairs(name, root, "test")])
        ids = _ids(rows(place_of(root, published.SETS[name].folder), "test"))
        return Made(chosen.name, chosen.model.size, _texts(ids, answers))

    return make


def _xquad(root: Path, seconds: float, seed: int) -> Made:
    """The same model of spans on another set's test rows."""
    model = Spans().learn(pairs("squad", root, "train"), seconds, seed)
    asked, ids = asked_of_xquad(root)
    return Made(Spans.name, model.size, _texts(ids, model.answers(asked)))


def _pictures(root: Path, split: str) -> tuple[Told, list[str]]:
    import zstandard

    folder = place_of(root, "multimodal/flickr8k_1000")
    with zstandard.open(folder / "manifest.jsonl.zst", "rb") as stream:
        manifest = [json.loads(line) for line in io.TextIOWrapper(stream, "utf-8")]
    listed = [row for row in manifest if row["split"] == split]
    with zstandard.open(folder / "images.tar.zst", "rb") as stream, tarfile.open(fileobj=stream, mode="r|") as packed:
        files = ((Path(member.name).name, packed.extractfile(member)) for member in packed)
        content = {name: stored.read() for name, stored in files if stored}
    pixels = []
    for row in listed:
        shown = Image.open(io.BytesIO(content[Path(row["file"]).name])).convert("RGB").resize((SIDE, SIDE))
        pixels.append(np.asarray(shown, np.float32) / 255)
    pictures = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()
    return Told(pictures, [tuple(text.strip() for text in row["captions"]) for row in listed]), [
        r["file"] for r in listed
    ]


def _captions(root: Path, seconds: float, seed: int) -> Made:
    (learn, _), (test, ids) = _pictures(root, "train"), _pictures(root, "test")
    torch.manual_seed(seed)
    words = Words([text for texts in learn.texts for text in texts])
    model = Captioner(words)
    model.learn(learn, words, seconds, seed)
    answers = model.captions(test.pictures)
    return Made("captioner", model.size, _texts(ids, answers))


def _lookups(root: Path, seconds: float, seed: int) -> Made:
    (learn, _), (test, ids) = _pictures(root, "train"), _pictures(root, "test")
    torch.manual_seed(seed)
    words = Words([text for texts in learn.texts for text in texts])
    model = Towers(words)
    model.learn(learn, words, seconds, seed)
    found = model.likeness(test)
    return Made("pair of towers", model.size, [(i, {"likeness": one}) for i, one in zip(ids, found, strict=True)])


def _scenes(name: str) -> Callable[[Path, float, int], Made]:
    """A U-Net on scenes of one kind."""

    def make(root: Path, seconds: float, seed: int) -> Made:
        out = places.cache() / "scenes"
        model, answers = solved(name, root, out, seconds, seed)
        return Made("small U-Net", model.size, answers, out / FOLDERS[name][0].split("/")[0])

    return make


TASKS: dict[str, Task] = {
    "to-german": Task("T4", "nlp/multi30k", _written("multi30k_de", Nearest(), Sequences()), alone=False),
    "to-english": Task("T5", "nlp/multi30k", _written("multi30k_en", Nearest(), Sequences()), alone=False),
    "reader": Task("T2", "nlp/squad_small", _written("squad", Spans())),
    "reader-xquad": Task("T3", "nlp/xquad_en", _xquad),
    "correct": Task("T10", "nlp/jfleg", _written("jfleg", Edits())),
    "summary": Task("T11", "nlp/dialogsum", _written("dialogsum", Extract())),
    "explain": Task("T12", "nlp/conala:explain", _written("conala_doc", Nearest(), Sequences())),
    "python": Task("T13", "nlp/conala", _written("conala", Nearest(), Sequences())),
    "caption": Task("T44", "multimodal/flickr8k_1000", _captions, alone=False),
    "things": Task("T14", "scenes/detection", _scenes("things")),
    "scene": Task("T19", "scenes/segmentation", _scenes("scene")),
    "crowd": Task("T30", "scenes/counting", _scenes("crowd")),
    "portrait": Task("T31", "scenes/matting", _scenes("portrait")),
    "caption-search": Task("T46", "multimodal/flickr8k_1000", _lookups, alone=False),
}
"""By the name of the adapter that is compared."""
