"""Adds conditional random fields to `bench/eai/baselines.json`: models of their own for sets whose words are tagged.

Words, their beginnings and ends, their shape, and those of their neighbours (CRFsuite, L-BFGS with both penalties). Of SLURP the
entities are looked for in the text as the trainer does; SLU-F1 asks for nothing but entities. Scores are those of all test rows at
hand. `make_baselines.py` writes the file anew and so runs before.

    python bench/eai/reference/make_taggers.py ../shared/data
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pycrfsuite
from make_baselines import OUT, rows
from seqeval.metrics import f1_score

SETTINGS = {"c1": 0.1, "c2": 0.05, "max_iterations": 100, "feature.possible_transitions": True}
Sentence = tuple[list[str], list[str]]
"""Words and their tags."""
Entity = tuple[str, str]
"""A kind, and its words."""


def features(words: Sequence[str]) -> list[list[str]]:
    """Of each word."""

    def shape(word: str) -> str:
        kinds = ("X" if c.isupper() else "x" if c.islower() else "9" if c.isdigit() else c for c in word)
        return "".join(kind for at, kind in enumerate(kinds) if at < 4)

    def one(at: int) -> list[str]:
        word = words[at].lower()
        found = ["bias", f"w={word}", f"shape={shape(words[at])}"]
        found += [f"begin={word[:n]}" for n in (1, 2, 3)] + [f"end={word[-n:]}" for n in (1, 2, 3)]
        for step in (-2, -1, 1, 2):
            near = words[at + step].lower() if 0 <= at + step < len(words) else "<>"
            found.append(f"{step}={near}")
        before = words[at - 1].lower() if at else "<>"
        after = words[at + 1].lower() if at + 1 < len(words) else "<>"
        return [*found, f"before+w={before} {word}", f"w+after={word} {after}"]

    return [one(at) for at in range(len(words))]


def fitted(learn: Sequence[Sentence]) -> tuple[Callable[[Sequence[str]], list[str]], int]:
    """What tags words, and the bytes of its file."""
    trainer = pycrfsuite.Trainer(verbose=False)
    for words, tags in learn:
        trainer.append(features(words), tags)
    trainer.set_params(SETTINGS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "crf"
        trainer.train(str(path))
        tagger = pycrfsuite.Tagger()
        tagger.open_inmemory(path.read_bytes())
        size = path.stat().st_size
    return lambda words: tagger.tag(features(words)), size


def slots(root: Path, name: str) -> dict[str, Any]:
    """Span F1 as seqeval has it."""
    learn, test = ([(row["tokens"], row["tags"]) for row in rows(root / name, split)] for split in ("train", "test"))
    tag, size = fitted(learn)
    found = [tag(words) for words, _ in test]
    return {"model": "crf", "metric": "span F1", "score": f1_score([tags for _, tags in test], found), "bytes": size}


def tagged(row: dict[str, Any]) -> Sentence:
    """The text's words; entities where they stand for the first time behind the one before."""
    words, after = row["text"].split(), 0
    tags = ["O"] * len(words)
    for entity in row["entities"]:
        wanted = entity["text"].lower().split()
        places = (at for at in range(after, len(words)) if [w.lower() for w in words[at : at + len(wanted)]] == wanted)
        at = next(places, None)
        if at is not None and wanted:
            tags[at : at + len(wanted)] = ["B-" + entity["type"], *["I-" + entity["type"]] * (len(wanted) - 1)]
            after = at + len(wanted)
    return words, tags


def entities(words: Sequence[str], tags: Sequence[str]) -> list[Entity]:
    """In their order."""
    found: list[Entity] = []
    for at, (word, tag) in enumerate(zip(words, tags, strict=True)):
        if tag[0] == "I" and at and tags[at - 1] != "O" and tags[at - 1][2:] == tag[2:]:
            found[-1] = (found[-1][0], f"{found[-1][1]} {word.lower()}")
        elif tag != "O":
            found.append((tag[2:], word.lower()))
    return found


def edits(found: Sequence[str], right: Sequence[str]) -> int:
    """Levenshtein's distance."""
    row = list(range(len(right) + 1))
    for i, one in enumerate(found, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(right, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (one != other))
    return row[-1]


def by_words(found: str, right: str) -> float:
    """Wrong words by those that are right."""
    return edits(found.split(), right.split()) / max(1, len(right.split()))


def by_letters(found: str, right: str) -> float:
    """Wrong letters by those of the longer one."""
    return edits(found, right) / max(1, len(found), len(right))


def slu_f1(found: Sequence[list[Entity]], right: Sequence[list[Entity]]) -> float:
    """As the evaluation of SLURP: each entity takes the nearest right one of its kind, whose distance is wrong and missed."""
    tally: Counter[str] = Counter()
    for distance in (by_words, by_letters):
        for ours, theirs in zip(found, right, strict=True):
            left = list(theirs)
            for kind, words in ours:
                near = min((e for e in left if e[0] == kind), key=lambda e: distance(words, e[1]), default=None)
                if near is None:
                    tally["wrong"] += 1
                    continue
                left.remove(near)
                away = distance(words, near[1])
                tally.update(hits=1)
                tally["wrong"] += away  # type: ignore[assignment]
                tally["missed"] += away  # type: ignore[assignment]
            tally["missed"] += len(left)
    return 2 * tally["hits"] / (2 * tally["hits"] + tally["wrong"] + tally["missed"])


def frames(root: Path, name: str) -> dict[str, Any]:
    """SLU-F1."""
    learn, test = (rows(root / name, split) for split in ("train", "test"))
    tag, size = fitted([tagged(row) for row in learn])
    texts = [row["text"].split() for row in test]
    found = [entities(words, tag(words)) for words in texts]
    right = [[(e["type"], e["text"].lower()) for e in row["entities"]] for row in test]
    return {"model": "crf", "metric": "SLU-F1", "score": slu_f1(found, right), "bytes": size}


def main() -> None:
    root = Path(sys.argv[1])
    known = json.loads(OUT.read_text(encoding="utf-8"))
    for name, make in (("nlp/snips", slots), ("nlp/slurp_text", frames)):
        made = make(root, name)
        made["score"] = round(made["score"], 5)
        known[name] = made
        print(name, made, flush=True)
    OUT.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
