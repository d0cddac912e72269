"""Tags in the form of CoNLL (`O`, `B-x`, `I-x`): which may follow one another, the parts that they name, and their F1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

Spans = set[tuple[str, int, int]]
"""Names of parts with their first word and the one behind their last."""


def is_tag(tag: str) -> bool:
    """Whether it is one."""
    return tag == "O" or (tag[:2] in ("B-", "I-") and bool(tag[2:].strip()))


def vocabulary(rows: Iterable[Sequence[str]]) -> list[str]:
    """`O`, then for each part that occurs the tag that begins it and, where a row has it, the one that goes on."""
    found = {tag for row in rows for tag in row}
    parts = sorted({tag[2:] for tag in found if tag != "O"})
    return ["O"] + [f"{kind}-{part}" for part in parts for kind in "BI" if kind == "B" or f"I-{part}" in found]


def follows(tags: Sequence[str]) -> np.ndarray:
    """`[before + 1, tags]`, whether a tag may stand behind another one; the last row is for the first word."""

    def may(before: str, tag: str) -> bool:
        return tag[0] != "I" or (before != "O" and before[2:] == tag[2:])

    return np.array([[may(before, tag) for tag in tags] for before in [*tags, "O"]])


def best(scores: np.ndarray, allowed: np.ndarray) -> list[int]:
    """The sequence of tags with the largest sum of `scores`, `[words, tags]`, of those that `follows` allows (Viterbi)."""
    if not len(scores):
        return []
    walls = np.where(allowed, 0.0, -np.inf)
    totals, back = scores[0] + walls[-1], []
    for row in scores[1:]:
        paths = totals[:, None] + walls[:-1]
        back.append(paths.argmax(0))
        totals = paths.max(0) + row
    path = [int(totals.argmax())]
    for before in reversed(back):
        path.append(int(before[path[-1]]))
    return path[::-1]


def of(tags: Sequence[str]) -> Spans:
    """The parts that `tags` name, as seqeval reads them by default: an `I-x` behind anything else begins one too."""
    found: Spans = set()
    begun = 0
    for at, tag in enumerate([*tags, "O"]):
        before = tags[at - 1] if at else "O"
        if before != "O" and (tag[0] != "I" or tag[2:] != before[2:]):
            found.add((before[2:], begun, at))
        if tag[0] == "B" or (tag[0] == "I" and (before == "O" or before[2:] != tag[2:])):
            begun = at
    return found


def f1(found: Sequence[Sequence[str]], right: Sequence[Sequence[str]]) -> float:
    """Micro average of all parts: seqeval's `f1_score`. 0 where there are none."""
    pairs = [(of(a), of(b)) for a, b in zip(found, right, strict=True)]
    hits, made, wanted = (sum(map(len, side)) for side in zip(*[(a & b, a, b) for a, b in pairs], strict=True))
    return 2 * hits / (made + wanted) if made + wanted else 0.0
