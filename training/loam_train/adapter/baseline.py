"""What a task gets without a foundation: words and letters in a linear model, or the answer to the most similar question."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

PENALTIES = (1.0, 10.0, 100.0)
"""scikit-learn's C."""
MANY_CLASSES = 20
MANY_ROWS = 20_000
"""From either on, letters would cost minutes for about a point."""


class WordsAndLetters:
    """TF-IDF of words, pairs of words and pieces of words, into logistic regression; tuned on the validation rows."""

    def __init__(
        self, texts: Sequence[str], targets: Sequence[int], valid: Sequence[str], right: Sequence[int]
    ) -> None:
        """Fits on `texts` with classes `targets`; `valid` with its classes `right` decides the penalty."""
        many = len(set(targets)) > MANY_CLASSES or len(texts) > MANY_ROWS
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2 if many else 1, token_pattern=r"\S+")
        letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2)
        self._vectorizers = [words] if many else [words, letters]
        try:
            features = hstack([vectorizer.fit_transform(texts) for vectorizer in self._vectorizers]).tocsr()
        except ValueError:
            # No word is in two texts, as in languages that are written without spaces: letters remain, whatever they cost.
            self._vectorizers = [TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)]
            features = self._vectorizers[0].fit_transform(texts).tocsr()
        tried = [self._fit(features, targets, penalty) for penalty in PENALTIES[int(many) :]]
        held = self._features(valid)
        self._model = max(tried, key=lambda model: float(np.mean(model.predict(held) == np.asarray(right))))

    @staticmethod
    def _fit(features: csr_matrix, targets: Sequence[int], penalty: float) -> LogisticRegression:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return LogisticRegression(C=penalty, max_iter=100).fit(features, np.asarray(targets))

    def _features(self, texts: Sequence[str]) -> csr_matrix:
        return hstack([vectorizer.transform(texts) for vectorizer in self._vectorizers]).tocsr()

    def predict(self, texts: Sequence[str]) -> list[int]:
        """The class of each text."""
        return [int(found) for found in self._model.predict(self._features(texts))]


def nearest(questions: Sequence[str], answers: Sequence[str], asked: Sequence[str]) -> list[str]:
    """For each text `asked` the answer to the question that shares most with it."""
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+")
    known = vectorizer.fit_transform(questions)
    found = (vectorizer.transform(asked) @ known.T).argmax(axis=1)
    return [answers[int(index)] for index in np.asarray(found).ravel()]
