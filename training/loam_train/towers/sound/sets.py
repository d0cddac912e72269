"""Sets of recordings: an archive of FLAC files at 16 kHz and a list of what they hold."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import torch

from ... import reading
from ...errors import InputError
from ..data import Split, TowerSet, groups, read_meta, strings, within, words
from ..run import Source
from . import mel

Samples = npt.NDArray[np.float32]

MAX_SECONDS = 60
"""Of one recording: a window sees a few seconds, so more is a mistake."""
MAX_HOURS = 12
"""Of all recordings of a set: 2.8 GB."""
_LEAST = 1024
"""Samples of a recording: four frames."""
_MAX_BYTES = 1 << 24
"""Of one file: four times what a minute has as 32-bit samples."""


def load(source: Source, kept: int, root: Path) -> TowerSet:
    """Reads one set; of each recording the middle `kept` frames stay.

    Raises:
        InputError: naming the file, the row, and its value.
    """
    folder = root / source.folder
    meta_path = folder / "meta.json"
    classes = strings(read_meta(meta_path), "classes", meta_path)
    labels = words(source, classes, meta_path)
    manifest = folder / "manifest.jsonl"
    listed = reading.listing(reading.content(manifest), manifest)
    recordings = _recordings(folder / "audio.tar", {row["file"] for row in listed})
    parts = {}
    for part in ("train", "test"):
        rows = reading.rows_of(listed, part, manifest)
        indexes = np.array([row["label"] for row in rows])
        within(manifest, f"label of {part}", indexes, 0, len(classes) - 1)
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


def _recordings(path: Path, wanted: set[str]) -> dict[str, Samples]:
    """The wanted recordings of an archive, by name.

    Raises:
        InputError: naming the file in the archive; also for wanted ones that are not there.
    """
    found: dict[str, Samples] = {}
    samples = 0
    try:
        # Not compressed: FLAC is, and what unpacks itself would need a bound of its own.
        with tarfile.open(path, mode="r:") as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                if not member.isfile() or name not in wanted:
                    continue
                if member.size > _MAX_BYTES:
                    raise InputError(path, f"{name} has {member.size} bytes, at most {_MAX_BYTES}")
                content = archive.extractfile(member)
                found[name] = _decoded(content.read() if content else b"", name, path)
                samples += len(found[name])
                if samples > MAX_HOURS * 3600 * mel.RATE:
                    raise InputError(path, f"its recordings last more than {MAX_HOURS} hours, reached at {name}")
    except (tarfile.TarError, OSError, ValueError) as error:
        raise InputError(path, str(error)) from error
    missing = min(wanted - found.keys(), default=None)
    if missing is not None:
        raise InputError(path, f"{missing} is in the manifest and not in the archive")
    return found


def _decoded(content: bytes, name: str, path: Path) -> Samples:
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as sound:
            if sound.samplerate != mel.RATE or sound.channels != 1:
                reason = f"{name} has {sound.channels} channels at {sound.samplerate} Hz, expected 1 at {mel.RATE}"
                raise InputError(path, reason)
            # What the header says, before as much is set aside for it.
            count = sound.frames
            samples: Samples = sound.read(min(count, MAX_SECONDS * mel.RATE), dtype="float32")
    except (soundfile.LibsndfileError, RuntimeError, ValueError) as error:
        raise InputError(path, f"{name} is no sound that can be read ({error})") from error
    if not _LEAST <= count <= MAX_SECONDS * mel.RATE:
        raise InputError(path, f"{name} has {count} samples, expected {_LEAST} to {MAX_SECONDS * mel.RATE}")
    if len(samples) != count:
        raise InputError(path, f"{name} ends after {len(samples)} of {count} samples")
    if not np.isfinite(samples).all():
        raise InputError(path, f"{name}[{np.nonzero(~np.isfinite(samples))[0][0]}] is not finite")
    return samples
