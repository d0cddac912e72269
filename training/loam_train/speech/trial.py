"""The tests: recordings that training did not hear, and texts in voices that it did not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from . import corpus, data, recordings, score
from .component import Component
from .engine import Listener
from .recordings import Recording
from .score import Errors
from .settings import Run
from .voices import Readers

_MOST_VOICES = 150
"""Utterances of held-out voices that are scored."""


def sets(run: Run, root: Path, work: Path) -> dict[str, list[Recording]]:
    """Test recordings by name; words come as strings of one speaker, and as they are."""
    found = {}
    for recorded in run.recorded:
        test = recordings.read(root / recorded.folder, "test", run.mel.rate)
        if recorded.words:
            name = f"{recorded.name}_strings"
            many, longest, seed = run.scores.strings, run.scores.longest, recordings.STRINGS_SEED
            found[name] = recordings.strings(test, many, longest, run.mel.rate, seed)
        else:
            found[recorded.name] = test
    found["unheard_voices"] = _voices(run, root, work)
    return found


def _voices(run: Run, root: Path, work: Path) -> list[Recording]:
    readers, out = Readers(run.mel.rate), []
    for line in data.manifest(run, root, work, "voices")[:_MOST_VOICES]:
        samples = corpus.trimmed(readers.read(line.text, line.manner), run.mel.rate)
        if len(samples) > run.mel.transform:
            out.append(Recording(samples, line.transcript, line.manner.voice))
    return out


def by_torch(component: Component, recorded: list[Recording], beam: int) -> dict[str, Errors]:
    """Error rates of greedy and of beam search."""
    truth = [recording.transcript for recording in recorded]
    searches: dict[str, Callable[[torch.Tensor], list[int]]] = {
        "greedy": score.greedy,
        f"beam {beam}": lambda scores: score.beam(scores, beam),
    }
    return {
        name: score.errors(truth, score.transcribe(component, recorded, search)) for name, search in searches.items()
    }


TOLERANCE = 0.5
"""Points of character error rate that torch and the engine may differ by, in each set."""


@dataclass(frozen=True)
class Comparison:
    """Of one set, greedy."""

    name: str
    torch: Errors
    engine: Errors
    live: Errors
    """Of the engine in the narrow windows of a microphone."""
    same: float
    """Utterances of which both write the same, per cent."""

    @property
    def difference(self) -> float:
        return max(abs(self.torch.words - self.engine.words), abs(self.torch.characters - self.engine.characters))


def compare(name: str, recorded: list[Recording], component: Component, listener: Listener) -> Comparison:
    """Torch hears a recording in one piece with this package's spectrogram; the engine gets its samples."""
    rate = component.mel.rate
    truth = [recording.transcript for recording in recorded]
    by_torch = score.transcribe(component, recorded, score.greedy)
    by_engine = [listener.transcribe(recording.samples, rate) for recording in recorded]
    live = [listener.transcribe(recording.samples, rate, live=True) for recording in recorded]
    same = sum(a == b for a, b in zip(by_torch, by_engine, strict=True))
    return Comparison(
        name=name,
        torch=score.errors(truth, by_torch),
        engine=score.errors(truth, by_engine),
        live=score.errors(truth, live),
        same=round(100 * same / len(recorded), 2),
    )
