"""PocketSphinx beside the recogniser, and sounds as models of other makers take them."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.published import Row, place_of
from .peer import Ready, spread

RATE = 16_000
"""Hz."""
Samples = npt.NDArray[np.float32]


def sounds(folder: Path, split: str, most: int) -> tuple[list[Samples], list[Row]]:
    """Samples of one channel at `RATE`, -1 to 1, of at most so many rows; the rows."""
    import soundfile
    from scipy.signal import resample_poly

    listed = [json.loads(line) for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    listed = [row for row in listed if row["split"] == split]
    chosen = [listed[at] for at in spread(len(listed), most)]
    found = []
    with tarfile.open(folder / "audio.tar") as archive:
        for row in chosen:
            stored: Any = archive.extractfile(row["file"])
            samples, rate = soundfile.read(io.BytesIO(stored.read()), dtype="float32")
            mono = samples if samples.ndim == 1 else samples.mean(1)
            found.append(resample_poly(mono, RATE, rate).astype(np.float32))
    return found, chosen


def sphinx(root: Path) -> Ready:
    """With its own model of English."""
    found, _ = sounds(place_of(root, "audio/ljspeech_small"), "test", 30)
    rows = [(32767 * samples).clip(-32768, 32767).astype(np.int16) for samples in found]
    return Ready("sphinx", ("numpy", "pocketsphinx"), b"", rows)
