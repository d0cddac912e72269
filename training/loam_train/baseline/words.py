"""Counts of words and pieces of words, weighted by rarity, and a linear classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.svm import LinearSVC
from tqdm import tqdm

from .candidate import Candidate, Choice, Model, accuracy
from .problem import Part, Problem

C = (0.03, 0.1, 0.3, 1.0, 3.0)
"""Inverse strengths of regularisation to choose from."""
MOST = 200_000
"""Features of each kind."""


class WordsModel(Model):
    """The features and the classifier."""

    def __init__(self, features: Any, classifier: Any) -> None:
        self._features, self._classifier = features, classifier

    def predict(self, part: Part) -> torch.Tensor:
        return torch.from_numpy(self._classifier.predict(self._features.transform(part.texts))).long()

    def pipeline(self) -> Any:
        """From texts to classes, as scikit-learn has it."""
        return make_pipeline(self._features, self._classifier)

    def parameters(self) -> int:
        return int(self._classifier.coef_.size + self._classifier.intercept_.size)

    def size(self) -> int:
        """The vocabulary counts too, and its weights of rarity."""
        names = self._features.get_feature_names_out()
        return 2 * self.parameters() + sum(len(name.encode()) + 2 for name in names)


class Words(Candidate):
    """TF-IDF of words, pairs of words, and 2 to 5 letters within words; a linear support vector machine."""

    name = "tfidf-linear"
    weight = 0.0

    def choose(self, problem: Problem, seconds: float, work: Path) -> Choice:
        features = _features(problem.train)
        train, valid = features.transform(problem.train.texts), features.transform(problem.valid.texts)
        tried = []
        for c in tqdm(C, desc=f"{problem.name} {self.name}"):
            found = LinearSVC(C=c, random_state=0).fit(train, problem.train.classes.numpy())
            predicted = torch.from_numpy(found.predict(valid))
            tried.append({"c": c, "accuracy": round(accuracy(predicted, problem.valid.classes), 2)})
        best = max(tried, key=lambda one: one["accuracy"])
        return Choice({"c": best["c"]}, best["accuracy"], tried)

    def fit(self, problem: Problem, choice: Choice, seconds: float, work: Path) -> Model:
        texts = (*problem.train.texts, *problem.valid.texts)
        classes = torch.cat([problem.train.classes, problem.valid.classes])
        features = _features(Part(classes, texts))
        classifier = LinearSVC(C=choice.settings["c"], random_state=0)
        return WordsModel(features, classifier.fit(features.transform(texts), classes.numpy()))


def _features(part: Part) -> Any:
    """What occurs once in a large set is left out: it is most of the vocabulary and hardly any of the score."""
    least = 2 if len(part) > 2000 else 1
    common = {"min_df": least, "max_features": MOST, "sublinear_tf": True}
    kinds = [
        ("words", TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b|[!?$%£€]", **common)),
        ("letters", TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **common)),
    ]
    return FeatureUnion(kinds).fit(part.texts)
