"""The answer to the most similar text that was learned from."""

from __future__ import annotations

from collections.abc import Sequence

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_union

from .candidate import Candidate, Model, Pair


class _Nearest(Model):
    def __init__(self, rows: Sequence[Pair]) -> None:
        words = TfidfVectorizer(sublinear_tf=True, token_pattern=r"\w+|[^\w\s]")
        letters = TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(3, 4), max_features=50_000)
        self.features = make_union(words, letters)
        self.learned = self.features.fit_transform([row.text for row in rows])
        self.outputs = [row.outputs[0] for row in rows]

    def answers(self, texts: Sequence[str]) -> list[str]:
        like = self.features.transform(texts) @ self.learned.T
        return [self.outputs[int(row.argmax())] for row in like]

    @property
    def size(self) -> int:
        # Places and values of what is not zero, and the answers.
        return int(self.learned.nnz) * 6 + sum(len(text.encode()) for text in self.outputs)


class Nearest(Candidate):
    """By words and pieces of words."""

    name = "nearest neighbour"

    def learn(self, rows: Sequence[Pair], seconds: float, seed: int) -> Model:
        return _Nearest(rows)
