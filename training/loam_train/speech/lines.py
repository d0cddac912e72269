"""What is read aloud: sentences of the text corpora with the manner of each, drawn by a seed."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

from .. import table
from ..errors import InputError
from . import text
from .voices import Manner

_CHARACTERS_PER_SECOND = 17.5
"""Of speech at rate 1, to plan hours with."""
_SENTENCE = re.compile(r"(?<=[.!?])[\"')]*\s+|\n+")
_CLAUSE = re.compile(r"(?<=[,;:])\s+")
_LONGEST_LINE = 1 << 20
_SHORTEST_TEXT, _LONGEST_TEXT = 2, 2000


@dataclass(frozen=True)
class Texts:
    """A corpus of texts: a set of the data folder, or `digits` or `yesno`, which are made up."""

    folder: str
    """Below the data sets' root."""
    licence: str
    weight: float
    """Share of the lines, relative to the other corpora."""
    keys: list[str] = field(default_factory=lambda: ["text"])
    """Fields of a row that are read: strings, or lists of words or turns."""
    train: str = "train"
    test: str = "test"


@dataclass(frozen=True)
class Cast:
    """Voices of one engine."""

    engine: str
    licence: str
    weight: float
    voices: list[str]
    variants: list[str] = field(default_factory=lambda: [""])
    """Appended to a voice's name."""
    held_out: list[str] = field(default_factory=list)
    """Variants that only tests hear."""


@dataclass(frozen=True)
class Line:
    """One utterance to synthesise."""

    text: str
    transcript: str
    manner: Manner


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Objects of a JSON-lines file, which may be compressed (.zst)."""
    try:
        with path.open("rb") as file:
            raw = zstandard.ZstdDecompressor().stream_reader(file) if path.suffix == ".zst" else file
            for number, line in enumerate(io.TextIOWrapper(raw, encoding="utf-8"), 1):
                row = json.loads(line) if len(line) <= _LONGEST_LINE else None
                if not isinstance(row, dict):
                    raise InputError(path, f"row {number} is no object of at most {_LONGEST_LINE} characters")
                yield row
    except OSError as error:
        raise InputError(path, error.strerror or str(error)) from error
    except (ValueError, zstandard.ZstdError) as error:
        raise InputError(path, str(error)) from error


def _strings(row: dict[str, Any], keys: list[str]) -> Iterator[str]:
    for key in keys:
        value = row.get(key, "")
        if isinstance(value, str):
            yield value
        elif key == "tokens":
            yield " ".join(map(str, value))
        else:
            # Turns of a dialogue begin with who speaks.
            yield from (str(turn).partition(": ")[2] or str(turn) for turn in value)


def _cut(sentence: str, longest: int) -> Iterator[str]:
    """The sentence, or clauses of it that are joined while they fit."""
    if len(sentence) <= longest:
        yield sentence
        return
    held = ""
    for clause in _CLAUSE.split(sentence):
        if held and len(held) + len(clause) >= longest:
            if len(held) <= longest:
                yield held
            held = ""
        held = f"{held} {clause}".strip()
    if len(held) <= longest:
        yield held


def sentences(path: Path, keys: list[str], longest: int) -> list[str]:
    """Speakable sentences of a file, each once, in its order."""
    found: dict[str, None] = {}
    for row in rows(path):
        for string in _strings(row, keys):
            for sentence in _SENTENCE.split(string):
                said = text.spoken(sentence)
                for part in _cut(said, longest) if said else ():
                    if len(text.normalise(part)) >= _SHORTEST_TEXT:
                        found[part] = None
    return list(found)


def _made_up(kind: str, chance: np.random.Generator) -> str:
    """Digits, or yes and no, with pauses here and there."""
    words = [text.number(digit) for digit in range(10)] if kind == "digits" else ["yes", "no"]
    count = int(chance.integers(1, 9))
    joints = chance.choice([" ", ", ", ". "], count)
    return "".join(str(chance.choice(words)) + joint for joint in joints).strip(" ,")


@dataclass(frozen=True)
class Script:
    """How many lines, of what, by whom."""

    seed: int
    hours: float
    longest: int
    """Characters of a line."""
    rate: list[float]
    """Least and greatest relative speed."""
    warp: list[float]
    texts: list[Texts]
    casts: list[Cast]


def draw(script: Script, root: Path, test: bool) -> list[Line]:
    """Lines of about so many hours: train splits by the cast, or, for a test, test splits by held-out variants.

    The same script gives the same lines. A corpus that runs out begins anew, in other voices.
    """
    chance = np.random.default_rng([script.seed, test])
    decks: list[list[str]] = []
    for source in script.texts:
        if source.folder in ("digits", "yesno"):
            decks.append([])
            continue
        split = source.test if test else source.train
        deck = sentences(root / source.folder / f"{split}.jsonl.zst", source.keys, script.longest)
        if not deck:
            raise InputError(root / source.folder, f"split {split} has no speakable sentence")
        decks.append([deck[i] for i in chance.permutation(len(deck))])
    weights = np.array([source.weight for source in script.texts])
    casts = [cast for cast in script.casts if cast.held_out or not test]
    roles = np.array([cast.weight for cast in casts])
    lines, seconds, taken = [], 0.0, [0] * len(decks)
    while seconds < 3600 * script.hours:
        at = int(chance.choice(len(decks), p=weights / weights.sum()))
        if decks[at]:
            said = decks[at][taken[at] % len(decks[at])]
            taken[at] += 1
        else:
            said = _made_up(script.texts[at].folder, chance)
        cast = casts[int(chance.choice(len(casts), p=roles / roles.sum()))]
        variants = cast.held_out if test else [v for v in cast.variants if v not in cast.held_out]
        voice = str(chance.choice(cast.voices)) + str(chance.choice(variants))
        rate, warp = (chance.uniform(low, high) for low, high in (script.rate, script.warp))
        manner = Manner(cast.engine, voice, round(rate, 3), round(chance.uniform(0.1, 0.9), 3), round(warp, 3))
        lines.append(Line(said, text.normalise(said), manner))
        seconds += (len(said) / _CHARACTERS_PER_SECOND + 0.4) / (rate * warp)
    return lines


def write(lines: list[Line], path: Path) -> None:
    """A manifest: a line a row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(json.dumps(asdict(line), ensure_ascii=False) + "\n" for line in lines)
    path.write_text(content, encoding="utf-8")


def read(path: Path) -> list[Line]:
    """The lines of a manifest.

    Raises:
        InputError: naming the row and what is wrong with it.
    """
    found = []
    for number, row in enumerate(rows(path), 1):
        line = table.fill(Line, row, path, f"row {number}")
        line.manner.check(path, number)
        if not 0 < len(line.text) <= _LONGEST_TEXT:
            raise InputError(path, f"row {number}: text has {len(line.text)} characters, expected 1 to {_LONGEST_TEXT}")
        if line.transcript != text.normalise(line.transcript) or not line.transcript:
            raise InputError(path, f"row {number}: transcript is {line.transcript!r}, expected a to z, ' and spaces")
        found.append(line)
    return found
