"""Summaries of conversations from their own turns: the first ones, or those that a linear model chooses."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge

from ..adapter.scores import texts as scored
from .candidate import Candidate, Model, Pair

COUNTS = (1, 2, 3, 4)
_WORD = re.compile(r"\w+")


def _turns(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def _likeness(a: str, b: str) -> float:
    """F1 of words."""
    first, second = (Counter(_WORD.findall(text.lower())) for text in (a, b))
    both = sum((first & second).values())
    return 2 * both / max(1, sum(first.values()) + sum(second.values()))


class _Extract(Model):
    def __init__(self, rows: Sequence[Pair]) -> None:
        self.words = TfidfVectorizer(sublinear_tf=True, max_features=20_000).fit([row.text for row in rows])
        turns = [_turns(row.text) for row in rows]
        features = np.concatenate([self._features(those) for those in turns])
        wanted = [
            max(_likeness(turn, output) for output in row.outputs)
            for row, those in zip(rows, turns, strict=True)
            for turn in those
        ]
        self.linear = Ridge(1.0).fit(features, wanted)
        self.way: tuple[str, int] = ("first", 1)
        outputs = [row.outputs for row in rows]

        def score(way: tuple[str, int]) -> float:
            self.way = way
            return scored(self.answers([row.text for row in rows]), outputs)["chrf"]

        self.way = max(((kind, count) for count in COUNTS for kind in ("first", "best")), key=score)

    def _taken(self, those: list[str]) -> list[int]:
        kind, count = self.way
        if kind == "first":
            return list(range(min(count, len(those))))
        return sorted(np.argsort(-self.linear.predict(self._features(those)))[:count].tolist())

    def _features(self, those: list[str]) -> np.ndarray:
        vectors = self.words.transform(those)
        centre = np.asarray(vectors.mean(0)).ravel()
        central = np.asarray(vectors @ centre).ravel()
        length = np.log1p([len(turn) for turn in those])
        place = np.arange(len(those))
        asks = [float("?" in turn) for turn in those]
        return np.stack([central, length, place == 0, place / len(those), 1.0 / (1 + place), asks], 1)

    def answers(self, texts: Sequence[str]) -> list[str]:
        out = []
        for text in texts:
            those = _turns(text)
            out.append("\n".join(those[at] for at in self._taken(those)) if those else "")
        return out

    @property
    def size(self) -> int:
        return sum(len(word) + 2 for word in self.words.vocabulary_) + 2 * int(self.linear.coef_.size)


class Extract(Candidate):
    """Takes seconds."""

    name = "turns that are taken out"

    def learn(self, rows: Sequence[Pair], seconds: float, seed: int) -> Model:
        return _Extract(rows)
