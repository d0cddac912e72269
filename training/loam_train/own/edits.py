"""Corrections word by word: the changes that were seen in training, and words that nobody knows for the nearest known one.

The second is the spelling corrector of P. Norvig's essay, with the training texts as its dictionary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from string import ascii_lowercase

from ..adapter.scores import texts as scored
from .candidate import Candidate, Model, Pair

LONGEST = 3
"""Words of a change."""
SHARES = (0.4, 0.5, 0.6, 0.75, 0.9, 2.0)
"""In how many of the times that words were seen they have to have been changed alike; the last one changes nothing."""
LEAST_KNOWN = 2
CHECKED = 5
"""One row of so many says which share is best."""


class _Edits(Model):
    def __init__(self, rows: Sequence[Pair]) -> None:
        # Rows of one text stand together: a text that is checked was not learned from.
        part = len(rows) // CHECKED
        checked, outputs = rows[:part], [row.outputs for row in rows[:part]]
        self._learn(rows[part:])

        def score(share: float) -> float:
            self.share = share
            return scored(self.answers([row.text for row in checked]), outputs)["chrf"]

        best = max(SHARES, key=score)
        self._learn(rows)
        self.share = best

    def _learn(self, rows: Sequence[Pair]) -> None:
        self.changes: dict[tuple[str, ...], Counter[tuple[str, ...]]] = {}
        self.seen: Counter[tuple[str, ...]] = Counter()
        self.known: Counter[str] = Counter()
        for row in rows:
            words = row.text.split()
            for output in row.outputs:
                right = output.split()
                self.known.update(word.lower() for word in right)
                self._compare(words, right)

    def _compare(self, words: list[str], right: list[str]) -> None:
        for size in range(1, LONGEST + 1):
            self.seen.update(tuple(words[at : at + size]) for at in range(len(words) - size + 1))
        for kind, a, b, c, d in SequenceMatcher(None, words, right, autojunk=False).get_opcodes():
            # What is put in goes with the word before it.
            first = a - 1 if kind == "insert" and a else a
            before = (words[first],) if first < a else ()
            if kind != "equal" and 0 < b - first <= LONGEST and d - c <= LONGEST:
                change = (*before, *right[c:d])
                self.changes.setdefault(tuple(words[first:b]), Counter())[change] += 1

    def answers(self, texts: Sequence[str]) -> list[str]:
        return [self._corrected(text) for text in texts]

    def _corrected(self, text: str) -> str:
        words, at = text.split(), 0
        out: list[str] = []
        while at < len(words):
            for size in range(LONGEST, 0, -1):
                key = tuple(words[at : at + size])
                found = self.changes.get(key) if len(key) == size else None
                if found:
                    change, times = found.most_common(1)[0]
                    if times >= LEAST_KNOWN and times >= self.share * self.seen[key]:
                        out += change
                        at += size
                        break
            else:
                out.append(self._spelt(words[at]))
                at += 1
        return " ".join(out)

    def _spelt(self, word: str) -> str:
        if self.share > 1 or not word.isalpha() or not word.islower() or len(word) < 4 or word in self.known:
            return word
        halves = [(word[:at], word[at:]) for at in range(len(word) + 1)]
        near = [a + b[1:] for a, b in halves if b]
        near += [a + b[1] + b[0] + b[2:] for a, b in halves if len(b) > 1]
        near += [a + letter + b[1:] for a, b in halves if b for letter in ascii_lowercase]
        near += [a + letter + b for a, b in halves for letter in ascii_lowercase]
        return max(
            (one for one in near if self.known[one] >= LEAST_KNOWN), key=lambda one: self.known[one], default=word
        )

    @property
    def size(self) -> int:
        changes = sum(len(" ".join((*key, *value))) + 4 for key, all_ in self.changes.items() for value in all_)
        return changes + sum(len(word) + 4 for word in self.known)


class Edits(Candidate):
    """Learns nothing by numbers, and so takes seconds."""

    name = "changes of words"

    def learn(self, rows: Sequence[Pair], seconds: float, seed: int) -> Model:
        return _Edits(rows)
