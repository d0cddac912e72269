"""The data of a run on disk: manifests of what is read aloud, and spectrograms of it and of recordings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from . import corpus, lines, recordings
from .corpus import Corpus
from .lines import Line
from .recordings import Recorded
from .settings import Run

LONGEST_TEST_SECONDS = 16.0


def folder(run: Run, work: Path) -> Path:
    """Where the data of a run lies below the cache."""
    return work / "speech" / run.name


def make(run: Run, root: Path, work: Path, processes: int) -> dict[str, float]:
    """Synthesises and computes all that training reads; hours of each part.

    A manifest that is there is read instead of drawn anew, so that a corpus can be made of one that was edited.
    """
    out, hours = folder(run, work), {}
    seconds = run.mel.hop / run.mel.rate
    for recorded in run.recorded:
        found = recordings.read(root / recorded.folder, "train", run.mel.rate)
        clips = corpus.recorded(found, recorded.speeds, run.mel)
        hours[recorded.name] = corpus.write(out / recorded.name, clips) * seconds / 3600
    for name in ("voices", "train"):
        clips = corpus.synthesised(manifest(run, root, work, name), run.mel, run.stride, processes)
        hours[name] = corpus.write(out / name, clips) * seconds / 3600
    return hours


def manifest(run: Run, root: Path, work: Path, name: str) -> list[Line]:
    """What is read for `train`, or for the test `voices`."""
    path = folder(run, work) / f"{name}.jsonl"
    if not path.exists():
        script = run.script
        if name == "voices":
            script = lines.Script(**{**vars(script), "hours": run.scores.voices})
        lines.write(lines.draw(script, root, test=name == "voices"), path)
    return lines.read(path)


@dataclass(frozen=True)
class Sources:
    """What batches are drawn from."""

    synthetic: Corpus
    recorded: list[tuple[Recorded, Corpus]]


def sources(run: Run, work: Path) -> Sources:
    """Opens what `make` has written.

    Raises:
        InputError: naming what is missing.
    """
    out, bins = folder(run, work), run.mel.bins
    return Sources(Corpus(out / "train", bins), [(one, Corpus(out / one.name, bins)) for one in run.recorded])
