"""16 examples a class: a linear head on what the frozen encoder makes of them, as a package that the engine runs."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.preprocessing import StandardScaler
from torch.nn.functional import pad
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging as progress

from ..adapter import package
from ..adapter.features import inputs, open_eyes
from ..adapter.foundation import Component, component
from ..baseline import record
from ..data import DataFolder, Example, open_data
from ..errors import InputError
from .evaluation import digest, rows_digest

SHOTS = 16
RECIPE = "1"
"""Changes with the code below where that changes its heads."""
C = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
"""Inverse strengths of regularisation, of which cross-validation among the examples chooses."""
_FOLDS = 4
_TOKENS = 256
"""What the text encoder reads of a text."""
_BATCH = 64

Array = npt.NDArray[np.float32]


def ready(path: Path, folder: Path, foundation: Path, name: str) -> Path:
    """The package at `path`, learned anew where the rows, the foundation or the recipe changed since it was written.

    Raises:
        InputError: for a folder without classes, and for a component that is not there.
    """
    told = path.with_suffix(".json")
    parts = [RECIPE, str(SHOTS), name, digest(foundation / "foundation.json"), rows_digest(folder, "train")]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    kept = record.read(told)
    if kept is None or kept["key"] != key or not path.exists():
        write(path, folder, foundation, name)
        record.write(told, {"schema": record.SCHEMA, "key": key})
    return path


def write(path: Path, folder: Path, foundation: Path, name: str) -> None:
    """Learns the head from the data folder's training split and writes the package."""
    found, data = component(foundation, name), open_data(folder)
    if data.task != "classify":
        raise InputError(folder, f"its task is {data.task}; a head is learned for classes")
    examples = drawn(data)
    labels = data.labels
    classes = np.array([labels.index(str(example.label)) for example in examples])
    weight, bias = head(_features(examples, data, found), classes, len(labels))
    tensors = {
        "base_model.model.classifier.weight": torch.from_numpy(weight),
        "base_model.model.classifier.bias": torch.from_numpy(bias),
    }
    config = {
        "peft_type": "LORA",
        "task_type": None,
        "base_model_name_or_path": found.model,
        # There is no low-rank part; the fields are those that a reader asks for.
        "r": 1,
        "lora_alpha": 1,
        "target_modules": [],
        "modules_to_save": ["classifier"],
        "inference_mode": True,
    }
    task = {
        "schema": 1,
        "name": path.stem,
        "description": f"A head that has seen {SHOTS} examples a class of {data.name}.",
        "task": "classify",
        "path": "encoder",
        "component": name,
        "labels": labels,
        "head": {"kind": "linear", "reads": "embedding"},
        "base": {name: found.fingerprint},
        "licence": data.description.licence,
    }
    package.write(path, tensors, config, task)


def drawn(data: DataFolder) -> list[Example]:
    """At most 16 rows of each class, by chance with a fixed seed; fewer where there are fewer."""
    chance = np.random.default_rng(0)
    of: dict[str, list[Example]] = {label: [] for label in data.labels}
    for example in data.split("train").examples:
        of[str(example.label)].append(example)
    empty = [label for label, rows in of.items() if not rows]
    if empty:
        raise InputError(data.split("train").path, f"label {empty[0]!r} has no rows in train")
    return [rows[place] for rows in of.values() for place in sorted(chance.permutation(len(rows))[:SHOTS])]


def head(features: Array, classes: npt.NDArray[np.int64], count: int) -> tuple[Array, Array]:
    """Weights `[classes, width]` and biases `[classes]` of a logistic regression; standardisation is folded in."""
    scaler = StandardScaler().fit(features)
    x = scaler.transform(features)
    folds = min(_FOLDS, int(np.bincount(classes, minlength=count).min()))
    best = C[len(C) // 2]
    with warnings.catch_warnings():
        # What has not converged yet is regularised by that.
        warnings.simplefilter("ignore")
        if folds > 1:
            parts = StratifiedKFold(folds, shuffle=True, random_state=0)
            scores = [cross_val_score(LogisticRegression(C=c, max_iter=300), x, classes, cv=parts).mean() for c in C]
            best = C[int(np.argmax(scores))]
        found = LogisticRegression(C=best, max_iter=1000).fit(x, classes)
    weight, bias = found.coef_, found.intercept_
    if count == 2:
        # Of two classes scikit-learn keeps one row, the log-odds of the second.
        weight, bias = np.concatenate([-weight / 2, weight / 2]), np.concatenate([-bias / 2, bias / 2])
    weight = weight / scaler.scale_
    return weight.astype(np.float32), (bias - weight @ scaler.mean_).astype(np.float32)


def _features(examples: Sequence[Example], data: DataFolder, found: Component) -> Array:
    """What the engine's heads read of each example, `[N, dim]`: the embedding, not normalised."""
    if examples[0].modality == "text":
        return sentences(found.entry, [example.prompt for example in examples])
    eyes = open_eyes(found.entry, found.name)
    given = inputs(examples, data, eyes)
    rows = []
    with torch.inference_mode():
        for part in torch.split(torch.arange(len(given)), _BATCH):
            chosen = given.at(part)
            rows.append(eyes.tower.tower(eyes.modality.prepared(chosen.values, chosen.extent))[0])
    out: Array = torch.cat(rows).float().numpy()
    return out


def sentences(folder: Path, texts: Sequence[str]) -> Array:
    """Mean of the text encoder's last states, of unit length as the engine gives it, `[texts, width]`."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    progress.disable_progress_bar()  # type: ignore[no-untyped-call]
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    ids = tokenizer(list(texts), truncation=True, max_length=_TOKENS)["input_ids"]
    out = np.zeros((len(texts), model.config.hidden_size), np.float32)
    order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
    with torch.inference_mode():
        for begin in range(0, len(order), _BATCH):
            rows = order[begin : begin + _BATCH]
            longest = len(ids[rows[-1]])
            lengths = torch.tensor([len(ids[row]) for row in rows])
            tokens = torch.stack([pad(torch.tensor(ids[row]), (0, longest - len(ids[row]))) for row in rows])
            mask = (torch.arange(longest) < lengths[:, None]).long()
            states = model(input_ids=tokens, attention_mask=mask).last_hidden_state
            mean = (states * mask[..., None]).sum(1) / lengths[:, None]
            out[rows] = torch.nn.functional.normalize(mean, dim=-1).numpy()
    return out
