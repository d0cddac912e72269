"""Texts with classes: their rows, a head's calibration, and what is measured of every classifier of texts."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from ..data import Example
from . import heads
from .baseline import WordsAndLetters
from .division import divide
from .heads import Head
from .request import Request
from .scores import classification

HEAD = "base_model.model.classifier."
"""PEFT's name of a head."""
MOST_VALID = 1500
MOST_CALIBRATION = 200


@dataclass
class Part:
    """Rows as the model reads them."""

    texts: list[str]
    ids: list[list[int]]
    targets: torch.Tensor

    def first(self, count: int) -> Part:
        return Part(self.texts[:count], self.ids[:count], self.targets[:count])

    def __len__(self) -> int:
        return len(self.texts)


class Classifier(Protocol):
    """A model with a head that is `weight x + bias` of what it makes of a text."""

    weight: torch.nn.Parameter
    bias: torch.nn.Parameter

    def logits(self, ids: list[list[int]], title: str) -> torch.Tensor:
        """`[texts, classes]`; `title` is for people who wait."""


def template(request: Request) -> dict[str, str]:
    """The data's words around a text, as a package stores them; nothing where there are none."""
    found = request.data.description.template
    return {"template": found} if found else {}


def parts(request: Request, encode: Callable[[list[str]], list[list[int]]]) -> tuple[Part, Part, Part]:
    """Rows to learn from, to validate with, and to score; of a set without a test part the second serve as the third."""
    around = request.data.description.template or "{}"
    learn, valid = divide(request, MOST_VALID)
    test = list(request.data.split("test").examples) or list(valid)
    random.Random(request.seed).shuffle(test)

    def part(examples: Sequence[Example]) -> Part:
        texts = [around.replace("{}", example.prompt) for example in examples]
        targets = [request.data.labels.index(example.label or "") for example in examples]
        return Part(texts, encode(texts), torch.tensor(targets, dtype=torch.long))

    return part(learn), part(valid), part(test[: request.test_rows])


def calibrated(classifier: Classifier, valid: Part, labels: list[str]) -> Head:
    """The head with a temperature, and with a bias of the out-of-scope class, from validation rows in fp32."""
    outside = heads.outside(labels)
    rows = valid if outside is not None else valid.first(MOST_CALIBRATION)
    logits = classifier.logits(rows.ids, "calibration")
    with torch.no_grad():
        bias = classifier.bias.clone()
        if outside is not None:
            added = heads.scope_bias(logits, rows.targets, outside)
            bias[outside] += added
            logits[:, outside] += added
        scale = heads.temperature(logits, rows.targets)
        return Head(classifier.weight.detach() / scale, bias / scale)


def measured(logits: torch.Tensor, learn: Part, valid: Part, test: Part, labels: list[str]) -> dict[str, float]:
    """Scores of `test` from its `logits`, beside what needs no model."""
    words = WordsAndLetters(learn.texts, learn.targets.tolist(), valid.texts, valid.targets.tolist())
    return classification(logits, test.targets, labels) | {
        "tfidf_accuracy": float((torch.tensor(words.predict(test.texts)) == test.targets).float().mean()),
        "majority_accuracy": float((test.targets == learn.targets.mode().values).float().mean()),
        "valid_rows": len(valid),
        "test_rows": len(test),
    }
