"""Sets of recordings: an archive of FLAC files at 16 kHz and a list of what they hold."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import torch

from ...errors import InputError
from ..data import Split, TowerSet, groups, read_meta, strings, within, words
from ..run import Source
from . import mel

Samples = npt.NDArray[np.float32]

MAX_SECONDS = 60
"""Of one recording: a window sees a few seconds, so more is a mistake."""
_LEAST = 1024
"""Samples of a recording: four frames."""


def load(source: Source, kept: int, root: Path) -> TowerSet:
    """Reads one set; of each recording the middle `kept` frames stay.

    Raises:
        InputError: naming the file, the row, and its value.
    """
    folder = root / source.folder
    meta_path = folder / "meta.json"
    classes = strings(read_meta(meta_path), "classes", meta_path)
    labels = words(source, classes, meta_path)
    listed = list(_listing(folder / "manifest.jsonl"))
    recordings = _recordings(folder / "audio.tar", {row["file"] for row in listed})
    parts = {}
    for part in ("train", "test"):
        rows = [row for row in listed if row["split"] == part]
        if not rows:
            raise InputError(folder, f"the manifest has no row of split {part!r}")
        wrong = next((row for row in rows if type(row.get("label")) is not int), None)
        if wrong is not None:
            raise InputError(folder, f"label of {wrong['file']} is {wrong.get('label')!r}, expected an index")
        missing = next((row["file"] for row in rows if row["file"] not in recordings), None)
        if missing is not None:
            raise InputError(folder, f"{missing} is in the manifest and not in the archive")
        indexes = np.array([row["label"] for row in rows])
        within(folder, f"label of {part}", indexes, 0, len(classes) - 1)
        raw = [recordings[row["file"]] for row in rows]
        inputs, real = spectrograms(raw, kept)
        parts[part] = Split(inputs, real, torch.from_numpy(indexes), raw if part == "test" else [])
    return TowerSet(source, labels, groups(source, classes), parts["train"], parts["test"])


def spectrograms(recordings: list[Samples], kept: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logarithms fp16 `[N, bins, kept]`, silence after those that are shorter, and how many frames are real."""
    inputs = torch.zeros(len(recordings), mel.BINS, kept, dtype=torch.float16)
    real = torch.zeros(len(recordings), dtype=torch.long)
    for row, samples in enumerate(recordings):
        logs = mel.logarithms(torch.from_numpy(samples))
        first = max(0, logs.shape[1] - kept) // 2
        logs = logs[:, first : first + kept]
        real[row] = logs.shape[1]
        inputs[row, :, : logs.shape[1]] = logs.half()
    return inputs, real


def _listing(path: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(path, error.strerror or str(error)) from error
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(path, f"line {number}: {error}") from error
        if not isinstance(row, dict) or not isinstance(row.get("file"), str) or "split" not in row:
            raise InputError(path, f"line {number} is {line[:80]!r}, expected an object with file and split")
        yield row


def _recordings(path: Path, wanted: set[str]) -> dict[str, Samples]:
    found: dict[str, Samples] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                content = archive.extractfile(member) if member.isfile() and name in wanted else None
                if content is None:
                    continue
                with soundfile.SoundFile(io.BytesIO(content.read())) as sound:
                    if sound.samplerate != mel.RATE or sound.channels != 1:
                        reason = f"{name} has {sound.channels} channels at {sound.samplerate} Hz, expected 1 at {mel.RATE}"
                        raise InputError(path, reason)
                    if not _LEAST <= sound.frames <= MAX_SECONDS * mel.RATE:
                        raise InputError(path, f"{name} has {sound.frames} samples, expected {_LEAST} to a minute")
                    found[name] = sound.read(dtype="float32")
    except (OSError, tarfile.TarError, soundfile.LibsndfileError) as error:
        raise InputError(path, str(error)) from error
    return found
