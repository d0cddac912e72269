"""Answers that stand in a passage: a linear model over spans, with features of the kind that SQuAD's first model had
(Rajpurkar et al. 2016, arXiv 1606.05250, section 5)."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import SGDClassifier

from .candidate import Candidate, Model, Pair

ASK = "\n\nQuestion: "
"""Between the passage and the question."""
LONGEST = 8
"""Words of a span."""
WRONG = 40
"""Spans of a passage that are learned as wrong."""
FEATURES = 1 << 17
_WORD = re.compile(r"\w+(?:[.,'’-]\w+)*|[^\w\s]")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_LISTED = "the a an of in on at to for and or is was were are be by with as that which it from"
_SMALL = frozenset(_LISTED.split())
_ASKING = ("who", "when", "where", "how many", "how much", "how", "why", "which", "what")


@dataclass(frozen=True)
class _Span:
    text: str
    features: dict[str, float]


def _asking(question: str) -> str:
    lower = question.lower()
    kind = next((word for word in _ASKING if word in lower), "else")
    if kind in ("what", "which"):
        following = re.search(rf"{kind}\s+(\w+)", lower)
        return f"{kind} {following.group(1)}" if following else kind
    return kind


def _shape(words: Sequence[str]) -> str:
    if any(word[0].isdigit() for word in words):
        return "year" if any(re.fullmatch(r"1\d{3}|20\d\d", word) for word in words) else "number"
    big = sum(word[0].isupper() for word in words)
    return "names" if big == len(words) else "mixed" if big else "plain"


class _Spans(Model):
    def __init__(self, rows: Sequence[Pair], seed: int) -> None:
        dice = random.Random(seed)
        documents = Counter(word for row in rows for word in {w.lower() for w in _WORD.findall(row.text.split(ASK)[0])})
        self.rare = {word: float(np.log(len(rows) / count)) for word, count in documents.items()}
        self.most = float(np.log(len(rows)))
        self.hasher = FeatureHasher(FEATURES)
        given: list[dict[str, float]] = []
        right: list[int] = []
        for row in rows:
            spans = list(self._spans(row.text))
            good = [span for span in spans if span.text in row.outputs]
            bad = [span for span in spans if span.text not in row.outputs]
            for span in [*good, *dice.sample(bad, min(WRONG, len(bad)))] if good else []:
                given.append(span.features)
                right.append(int(span.text in row.outputs))
        self.linear = SGDClassifier("log_loss", alpha=1e-6, max_iter=12, random_state=seed, class_weight="balanced")
        self.linear.fit(self.hasher.transform(given), right)

    def _spans(self, text: str) -> Iterator[_Span]:
        passage, _, question = text.rpartition(ASK)
        asked = {word.lower() for word in _WORD.findall(question)} - _SMALL
        kind = _asking(question)
        for number, sentence in enumerate(_SENTENCE.split(passage)):
            found = list(_WORD.finditer(sentence))
            words = [match.group() for match in found]
            shared = sum(self.rare.get(w, self.most) for w in {w.lower() for w in words} & asked) / (1 + len(asked))
            near = [at for at, word in enumerate(words) if word.lower() in asked]
            for first, word in enumerate(words):
                for last in range(first, min(first + LONGEST, len(words))):
                    inside = words[first : last + 1]
                    ends = (word, inside[-1])
                    if any(e.lower() in _SMALL - {"the"} or not e[0].isalnum() for e in ends) or inside[-1] == "the":
                        continue
                    away = min((min(abs(at - first), abs(at - last)) for at in near), default=20)
                    repeated = sum(w.lower() in asked for w in inside)
                    shape = _shape(inside)
                    before = words[first - 1].lower() if first else "^"
                    after = words[last + 1].lower() if last + 1 < len(words) else "$"
                    yield _Span(sentence[found[first].start() : found[last].end()], {
                        "shared": shared, "repeated": repeated / len(inside), f"away {min(away, 9)}": 1.0,
                        f"{kind}|{shape}": 1.0, f"{kind}|{len(inside)}": 1.0, f"{shape}|{len(inside)}": 1.0,
                        f"before {before}": 1.0, f"after {after}": 1.0, f"{kind}|before {before}": 1.0,
                        f"{kind}|first {word.lower()}": 1.0, f"{kind}|last {inside[-1].lower()}": 1.0,
                        "first sentence": float(number == 0), "has the": float("the" in inside),
                    })  # fmt: skip

    def answers(self, texts: Sequence[str]) -> list[str]:
        out = []
        for text in texts:
            spans = list(self._spans(text))
            scores = self.linear.decision_function(self.hasher.transform([s.features for s in spans])) if spans else []
            out.append(spans[int(np.argmax(scores))].text if spans else "")
        return out

    @property
    def size(self) -> int:
        return 2 * int(np.count_nonzero(self.linear.coef_)) + sum(len(word) + 2 for word in self.rare)


class Spans(Candidate):
    """Learns in a minute."""

    name = "linear model of spans"

    def learn(self, rows: Sequence[Pair], seconds: float, seed: int) -> Model:
        return _Spans(rows, seed)
