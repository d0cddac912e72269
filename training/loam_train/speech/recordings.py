"""Recorded speech: sets of the data folder with sounds in `audio.tar`, and strings that are made of single words."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from ..errors import InputError
from . import text
from .lines import rows
from .voices import Samples

STRINGS_SEED = 99
"""Of which test words follow each other: the same sounds wherever strings are scored."""
_LARGEST_FILE = 64 << 20


@dataclass(frozen=True)
class Recorded:
    """A set of recordings."""

    folder: str
    """Below the data sets' root."""
    licence: str
    weight: float
    """Share of the rows of a batch."""
    speeds: list[float]
    """The sounds are replayed so much faster, 0.8 to 1.25 each; 1.0 is as they are."""
    words: bool = False
    """Each recording is one word: rows are strings of one speaker's words."""

    @property
    def name(self) -> str:
        return Path(self.folder).name


@dataclass(frozen=True)
class Recording:
    """Mono samples within -1 to 1, with what is said and by whom."""

    samples: Samples
    transcript: str
    speaker: str


def read(folder: Path, split: str, rate: int) -> list[Recording]:
    """Recordings of a split, in the manifest's order.

    Raises:
        InputError: for a manifest and sounds that do not fit together, naming the file, and another rate than `rate`.
    """
    manifest, archive = folder / "manifest.jsonl", folder / "audio.tar"
    wanted = {}
    for number, row in enumerate(rows(manifest), 1):
        if row.get("split") == split:
            if not all(isinstance(row.get(key), str) for key in ("file", "text", "speaker")):
                raise InputError(manifest, f"row {number}: file, text and speaker are expected to be texts")
            wanted[row["file"]] = row
    sounds = dict(_sounds(archive, set(wanted), rate))
    for name in wanted:
        if name not in sounds:
            raise InputError(archive, f"{name} of {manifest.name} is missing")
    return [Recording(sounds[n], text.normalise(row["text"]), row["speaker"]) for n, row in wanted.items()]


def _sounds(archive: Path, wanted: set[str], rate: int) -> Iterator[tuple[str, Samples]]:
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.name in wanted else None
                if file is None:
                    continue
                if member.size > _LARGEST_FILE:
                    raise InputError(archive, f"{member.name} has {member.size} bytes, at most {_LARGEST_FILE}")
                samples, found = soundfile.read(io.BytesIO(file.read()), dtype="float32", always_2d=True)
                if found != rate:
                    raise InputError(archive, f"{member.name} has {found} Hz, expected {rate}")
                yield member.name, samples.mean(1)
    except OSError as error:
        raise InputError(archive, error.strerror or str(error)) from error
    except (tarfile.TarError, soundfile.LibsndfileError) as error:
        raise InputError(archive, str(error)) from error


def strings(words: list[Recording], count: int, longest: int, rate: int, seed: int) -> list[Recording]:
    """`count` strings of 1 to `longest` words of one speaker each, with random gaps, for tests.

    Words are as loud as each other and lie in faint noise, as a voice and a room's are.
    """
    chance = np.random.default_rng(seed)
    speakers = sorted({word.speaker for word in words})
    out = []
    for _ in range(count):
        speaker = speakers[int(chance.integers(len(speakers)))]
        pool = [word for word in words if word.speaker == speaker]
        chosen = [pool[int(i)] for i in chance.integers(len(pool), size=chance.integers(1, longest + 1))]
        parts: list[Samples] = []
        for word in chosen:
            gap = int(rate * chance.uniform(0.05, 0.4))
            parts += [np.zeros(gap, np.float32), 0.5 * word.samples / max(1e-4, float(np.abs(word.samples).max()))]
        samples = np.concatenate([*parts, np.zeros(int(rate * chance.uniform(0.1, 0.4)), np.float32)])
        samples += 10 ** chance.uniform(-4.5, -2.5) * chance.standard_normal(len(samples), dtype=np.float32)
        out.append(Recording(samples, " ".join(word.transcript for word in chosen), speaker))
    return out
