"""Models of texts that are no networks, taught here with all training rows: what they take follows from what they know."""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch

from .. import places
from ..baseline.candidate import Choice
from ..baseline.problem import Part, Problem, checked, indexes
from ..baseline.words import Words, WordsModel
from ..data import texts as published
from ..data.published import place_of
from ..own.candidate import Candidate
from ..own.tasks import pairs
from .peer import Ready, spread

_LINEAR = places.ROOT / "bench" / "eai" / "reference" / "make_baselines.py"
_SKLEARN = ("sklearn.feature_extraction.text", "sklearn.linear_model", "sklearn.pipeline", "sklearn.svm")


def problem(name: str, root: Path) -> Problem:
    """A published set of classes."""
    source = published.SETS[name]
    folder = place_of(root, source.folder)
    found = {split: list(source.rows(folder, split)) for split in ("train", "test")}
    labels = tuple(sorted({row["label"] for rows in found.values() for row in rows}))
    train, test = (
        Part(indexes(labels, [row["label"] for row in rows]), tuple(row["text"] for row in rows))
        for rows in found.values()
    )
    return checked(Problem(name, folder, labels, train, Part(torch.zeros(0, dtype=torch.long)), test))


def words(name: str, root: Path) -> Ready:
    """Words and pieces of words with a linear classifier."""
    found = problem(name, root)
    model = cast("WordsModel", Words().fit(found, Choice({"c": 0.3}, 0.0, []), 0.0, Path()))
    rows = [found.test.texts[at] for at in spread(len(found.test))]
    return Ready("stored", _SKLEARN, pickle.dumps(model.pipeline()), rows)


def linear(key: str, root: Path) -> Ready:
    """Words and pairs of words with a linear classifier: those of `make_baselines.py`."""
    spec = importlib.util.spec_from_file_location("make_baselines", _LINEAR)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{_LINEAR} is no module")
    made: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    path, _, view = key.partition(":")
    learn, test = (made.texts(made.rows(place_of(root, path), split), view) for split in ("train", "test"))
    model = made.linear(made.STRENGTHS[1]).fit(*learn)
    return Ready("stored", _SKLEARN, pickle.dumps(model), [test[0][at] for at in spread(len(test[0]))])


def written(name: str, kind: Candidate, root: Path, asked: Sequence[str] = ()) -> Ready:
    """A model that writes texts; of the set's own test rows, or those of `asked`."""
    model = kind.learn(pairs(name, root, "train"), 60.0, 7)
    texts = list(asked) or [pair.text for pair in pairs(name, root, "test")]
    libraries = (*_SKLEARN, type(kind).__module__)
    return Ready("stored", libraries, pickle.dumps(model), [texts[at] for at in spread(len(texts))])
