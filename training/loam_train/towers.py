"""The `towers` command: data sets to a component directory with its scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from . import anchors, component, curve, loop, network, score, sets
from .anchors import Embed
from .batches import Batches, measure
from .run import Run
from .sets import MotionSet


def checkpoint(run: Run, work: Path) -> Path:
    """Where the run is resumed from."""
    return work / "checkpoints" / f"{run.name}.pt"


def folder(run: Run, work: Path) -> Path:
    """Where the tower goes unless the command line says otherwise."""
    return work / "towers" / run.name


def load(run: Run, root: Path) -> list[MotionSet]:
    """All sets of a run."""
    return [sets.load(source, run.window, root) for source in run.sets]


def train(run: Run, path: Path, data: list[MotionSet], sentences: Embed, work: Path, out: Path) -> dict[str, Any]:
    """Trains or continues, exports to `out`, scores what was exported, and gives the record that lies beside it.

    Raises:
        InputError: for a network in the run's file `path` that cannot be built, and for its checkpoint.
    """
    torch.manual_seed(run.training.seed)
    aims = anchors.build([label for s in data for label in s.labels], run.texts, sentences)
    scale = measure(data)
    tower = network.build(network.config(run, len(aims.mean)), path)
    batches = Batches(data, aims, scale, run.training)
    print(
        f"{len(batches)} windows of {len(data)} sets, {len(aims.labels)} labels, {network.parameters(tower):,} parameters"
    )
    progress = loop.train(tower, batches, aims.vectors, run, checkpoint(run, work))
    curve.draw(progress.losses, run.name, work / "curves" / f"{run.name}.png")
    record: dict[str, Any] = {
        "steps": progress.step,
        "seconds": round(progress.seconds, 1),
        "threads": torch.get_num_threads(),
        "seed": run.training.seed,
        "parameters": network.parameters(tower),
        "template": run.texts.deployed,
        "sets": {s.name: {"licence": s.source.licence, "train": len(s.train)} for s in data},
    }
    # Written before it is scored: the scores are those of the stored weights.
    component.write(out, tower, aims.mean, scale, run, record)
    stored = component.read(out)
    for s in data:
        record["sets"][s.name] |= score.score(score.predict(stored, s, run.texts, sentences), s).record()
    component.write(out, tower, aims.mean, scale, run, record)
    return record
