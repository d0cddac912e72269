"""Rows to learn from, and rows that are kept back to judge by."""

from __future__ import annotations

import math
import random
from collections import Counter

from ..data import Example
from .request import Request

SHARE = 0.1
FEWEST = 10
"""Rows for validation that a folder's own must be to be used alone."""


def divide(request: Request, most: int) -> tuple[list[Example], list[Example]]:
    """Training and validation rows, shuffled, of the latter at most `most`.

    The folder's own where it has any to speak of; else a tenth of each class alike is kept back. Questions about one file
    stay together, as their answers tell of each other.
    """
    dice = random.Random(request.seed)
    train, valid = list(request.review.train), list(request.data.split("valid").examples)
    dice.shuffle(train)
    dice.shuffle(valid)
    if len(valid) >= max(FEWEST, len(request.data.labels)):
        return train, valid[:most]
    units: dict[tuple[str, int], list[Example]] = {}
    for place, example in enumerate(train):
        key = (str(example.file), example.index or 0) if example.file else ("", place)
        units.setdefault(key, []).append(example)
    counts = Counter(rows[0].label for rows in units.values())
    share = min(SHARE, most / len(train))
    taken: Counter[str | None] = Counter()
    kept: list[Example] = []
    for rows in units.values():
        label = rows[0].label
        if counts[label] > 1 and taken[label] < math.ceil(share * counts[label]):
            taken[label] += 1
            valid += rows
        else:
            kept += rows
    # Of units in their order the rows of one would follow each other.
    dice.shuffle(kept)
    return kept, valid[:most]
