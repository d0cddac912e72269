"""Strings of spoken words as a data folder: single words of one speaker, one after the other, as someone reads a number."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import soundfile

from ..speech import recordings
from .published import Row, place_of

RATE = 16_000
SEED = recordings.STRINGS_SEED


@dataclass(frozen=True)
class Strings:
    """Made of the test words of a set; none is for training."""

    folder: str
    """Of the single words, below the data sets' root."""
    licence: str
    source: str
    count: int
    longest: int
    """Words of a string."""

    def write(self, name: str, root: Path, out: Path) -> dict[str, int]:
        """Writes the folder `out`.

        Raises:
            InputError: for a set that is not under `root`, or is damaged.
        """
        origin = place_of(root, self.folder)
        words = recordings.read(origin, "test", RATE)
        test = out / "test"
        test.mkdir(parents=True, exist_ok=True)
        rows: list[Row] = []
        for number, made in enumerate(recordings.strings(words, self.count, self.longest, RATE, SEED)):
            file = f"{number:03}.flac"
            soundfile.write(test / file, made.samples, RATE)
            rows.append({"file_name": file, "output": made.transcript, "speaker": made.speaker})
        (test / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        described: Row = {
            "schema": 1,
            "name": name,
            "task": "transcribe",
            "licence": self.licence,
            "source": self.source,
        }
        (out / "data.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
        return {"test": len(rows)}
