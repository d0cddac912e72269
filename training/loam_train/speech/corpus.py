"""Spectrograms on disk: all clips of a corpus one after another, read without loading the file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from ..errors import InputError
from . import text
from .lines import Line
from .mel import LogMel, Mel
from .recordings import Recording
from .voices import Readers, Samples, resample

Frames = NDArray[np.float16]

_CHUNK = 64
"""Lines that a process takes at a time."""
_LONGEST_SECONDS = 16.0
_SHORTEST_SECONDS = 0.15
_LOUDEST = 0.9


@dataclass(frozen=True)
class Clip:
    """A spectrogram and its text."""

    frames: Frames
    """Logarithms `[frames, bins]`, not normalised."""
    transcript: str
    source: str
    """Speaker or voice."""


class Corpus:
    """Clips of a folder: `frames.f16` and `index.json`."""

    def __init__(self, folder: Path, bins: int) -> None:
        """Opens it.

        Raises:
            InputError: for files that are missing or do not fit together.
        """
        index, data = folder / "index.json", folder / "frames.f16"
        try:
            found: dict[str, Any] = json.loads(index.read_text(encoding="utf-8"))
            lengths, self.transcripts, self.sources = found["lengths"], found["transcripts"], found["sources"]
            self.frames = np.memmap(data, np.float16, "r").reshape(-1, bins)
        except OSError as error:
            raise InputError(folder, f"{error.strerror or error}; 'speech-data' makes it") from error
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(index, f"no corpus of {bins} bins ({error})") from error
        self.lengths = np.array(lengths, np.int64)
        self.ends = np.cumsum(self.lengths)
        if not len(self.lengths) == len(self.transcripts) == len(self.sources) or self.ends[-1] != len(self.frames):
            raise InputError(index, f"{len(self.lengths)} clips do not fit {len(self.frames)} frames")

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, at: int) -> Clip:
        begin = self.ends[at] - self.lengths[at]
        return Clip(self.frames[begin : self.ends[at]], self.transcripts[at], self.sources[at])


def write(folder: Path, clips: Iterable[Clip]) -> float:
    """Stores the clips, and says how many frames they have. What was there stays until all is written."""
    folder.mkdir(parents=True, exist_ok=True)
    index: dict[str, list[Any]] = {"lengths": [], "transcripts": [], "sources": []}
    partial_frames = folder / "frames.partial"
    with partial_frames.open("wb") as file:
        for clip in clips:
            file.write(np.ascontiguousarray(clip.frames).tobytes())
            index["lengths"].append(len(clip.frames))
            index["transcripts"].append(clip.transcript)
            index["sources"].append(clip.source)
    partial_frames.replace(folder / "frames.f16")
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")
    return float(sum(index["lengths"]))


def trimmed(samples: Samples, rate: int) -> Samples:
    """Without the silence of a synthesiser at both ends but for 50 ms, and at most as loud as fits 16 bits."""
    loud = np.flatnonzero(np.abs(samples) > 2e-3)
    if not len(loud):
        return samples[:0]
    around = rate // 20
    samples = samples[max(0, loud[0] - around) : loud[-1] + around]
    return samples * np.float32(_LOUDEST / max(_LOUDEST, float(np.abs(samples).max())))


def fits(frames: int, transcript: str, hop_seconds: float, stride: int) -> bool:
    """Whether a clip has a length that is learned from, and frames enough for its letters with some to spare."""
    seconds = frames * hop_seconds
    needed = text.frames_needed(text.encode(transcript))
    return _SHORTEST_SECONDS <= seconds <= _LONGEST_SECONDS and needed * 1.1 <= frames / stride


def _synthesise(mel: Mel, stride: int, lines: list[Line]) -> list[Clip]:
    readers, spectrogram = Readers(mel.rate), LogMel(mel)
    out = []
    for line in lines:
        samples = trimmed(readers.read(line.text, line.manner), mel.rate)
        if len(samples) <= mel.transform:
            continue
        frames = spectrogram.compute(samples).T.contiguous().numpy().astype(np.float16)
        if fits(len(frames), line.transcript, mel.hop / mel.rate, stride):
            out.append(Clip(frames, line.transcript, f"{line.manner.engine}:{line.manner.voice}"))
    return out


def synthesised(lines: list[Line], mel: Mel, stride: int, processes: int) -> Iterator[Clip]:
    """Clips of the lines that came out with a fitting length, in order."""
    rest = iter(lines)
    chunks = list(iter(lambda: list(islice(rest, _CHUNK)), []))
    work = partial(_synthesise, mel, stride)
    bar = partial(tqdm, total=len(chunks), desc="synthesis", mininterval=5)
    if processes == 1:
        for clips in bar(map(work, chunks)):
            yield from clips
        return
    # Spawned: torch's threads do not survive a fork.
    with ProcessPoolExecutor(processes, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        for clips in bar(pool.map(work, chunks)):
            yield from clips


def recorded(recordings: list[Recording], speeds: list[float], mel: Mel) -> Iterator[Clip]:
    """Clips of recordings at several speeds; 50 ms of silence on both sides, so that words can be joined."""
    spectrogram = LogMel(mel)
    silence = np.zeros(mel.rate // 20, np.float32)
    for recording in recordings:
        for speed in speeds:
            samples = resample(recording.samples, mel.rate * speed, mel.rate)
            frames = spectrogram.compute(np.concatenate([silence, samples, silence])).T.numpy().astype(np.float16)
            yield Clip(frames, recording.transcript, recording.speaker)
