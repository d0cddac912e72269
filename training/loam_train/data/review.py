"""What to know of a data set before an adapter is trained on it: what makes it impossible, and what makes it doubtful."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ..errors import InputError
from .example import Example
from .folder import DataFolder

LEAST_ROWS = 10
"""Below, not even a class or two can be told from chance."""
LEAST_PER_CLASS = 2
NAMED = 5
"""Of many classes or rows, as many are named."""


@dataclass
class Review:
    """Rows to train on, and remarks for a person."""

    train: list[Example]
    remarks: list[str] = field(default_factory=list)


def review(data: DataFolder) -> Review:
    """Rows of `train` that are in no other split, and remarks.

    Raises:
        InputError: for a set that nothing can be learned from.
    """
    split = data.split("train")
    if len(split) < LEAST_ROWS:
        raise InputError(split.path, f"{len(split)} rows to train on, expected at least {LEAST_ROWS}")
    found = Review(list(split.examples))
    _repeats(data, found)
    if data.task == "classify":
        _classes(data, found)
    if not data.split("test"):
        found.remarks.append("there is no test split: scores are of rows that training is guided by, and flatter")
    if len(found.train) < LEAST_ROWS:
        reason = f"{len(found.train)} rows to train on are in no other split, expected at least {LEAST_ROWS}"
        raise InputError(split.path, reason)
    return found


def _classes(data: DataFolder, found: Review) -> None:
    counts = Counter(example.label for example in found.train)
    path = data.split("train").path
    if len(counts) < 2:
        one = next(iter(counts), None)
        raise InputError(path, f"one class only, {one!r}, in rows that are in no other split; expected at least two")
    if max(counts.values()) < LEAST_PER_CLASS:
        raise InputError(
            path, f"each of its {len(counts)} classes has one row; expected {LEAST_PER_CLASS} at the least"
        )
    alike: dict[str, str] = {}
    for name in sorted(str(label) for label in counts):
        other = alike.setdefault(" ".join(name.lower().split()), name)
        if other != name:
            found.remarks.append(f"classes {other!r} and {name!r} differ by case or spaces only")
    for name, split in data.splits.items():
        unseen = Counter(example.label for example in split.examples if example.label not in counts)
        if unseen:
            label, count = unseen.most_common(1)[0]
            reason = f"label {label!r} has {count} rows in {name} and none in train, so it cannot be learned"
            raise InputError(split.path, f"{reason}; add rows of it, or take it out")
    absent = [label for label in data.labels if label not in counts]
    if absent:
        raise InputError(path, f"labels names {absent[0]!r}, for which train has no rows; add some, or take it out")
    rare = sorted(str(label) for label, count in counts.items() if count < LEAST_PER_CLASS)
    if rare:
        found.remarks.append(f"{len(rare)} classes have fewer than {LEAST_PER_CLASS} rows: {', '.join(rare[:NAMED])}")
    taught: dict[str, str | None] = {}
    twofold = {e.prompt for e in found.train if e.prompt and taught.setdefault(e.prompt, e.label) != e.label}
    if twofold:
        found.remarks.append(f"{len(twofold)} texts of train have two labels, such as {min(twofold)[:60]!r}")


def _repeats(data: DataFolder, found: Review) -> None:
    """Leaves out of training what the scores are to be measured on: else they say what was learned by heart."""
    for name in ("test", "valid"):
        held = {example.prompt for example in data.split(name).examples if example.file is None}
        kept = [example for example in found.train if example.file is not None or example.prompt not in held]
        if len(kept) < len(found.train):
            found.remarks.append(
                f"{len(found.train) - len(kept)} rows of train are in {name} too; they are not trained on"
            )
        found.train = kept
    # A row that is there twice would be learned from and judged by.
    first = {(e.prompt, e.label, e.outputs): e for e in reversed(found.train) if e.file is None}
    once = [e for e in found.train if e.file is not None or first[(e.prompt, e.label, e.outputs)] is e]
    if len(once) < len(found.train):
        found.remarks.append(f"{len(found.train) - len(once)} rows of train are there before; they are left out")
        found.train = once
