"""The `towers` command: data sets to a component directory with its scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from .. import curve
from . import anchors, component, loop, network, score
from .anchors import Embed
from .batches import Batches
from .data import TowerSet
from .modality import Modality
from .run import Run


def checkpoint(run: Run, work: Path) -> Path:
    """Where the run is resumed from."""
    return work / "checkpoints" / f"{run.name}.pt"


def folder(run: Run, work: Path) -> Path:
    """Where the tower goes unless the command line says otherwise."""
    return work / "towers" / run.name


def load(run: Run, modality: Modality, root: Path) -> list[TowerSet]:
    """All sets of a run, each with what the run keeps back of it."""
    return [modality.load(source, root).holding(run.training.hold) for source in run.sets]


def train(
    run: Run, path: Path, modality: Modality, data: list[TowerSet], sentences: Embed, work: Path, out: Path
) -> dict[str, Any]:
    """Trains or continues, exports to `out`, scores what was exported, and gives the record that lies beside it.

    Raises:
        InputError: for a network in the run's file `path` that cannot be built, and for its checkpoint.
    """
    torch.manual_seed(run.training.seed)
    aims = anchors.build([label for s in data for label in s.labels], run.texts, run.network.whitening, sentences)
    modality.measure(data)
    config = network.config(run, modality.shape, aims.vectors.shape[1])
    tower = network.build(config, path, modality.max_parameters)
    batches = Batches(data, aims, modality, run.training)
    print(
        f"{len(batches)} examples of {len(data)} sets, {len(aims.labels)} labels, "
        f"{network.parameters(tower):,} parameters"
    )
    progress = loop.train(tower, batches, aims.vectors, run, checkpoint(run, work))
    title = f"{run.name}: loss against labels of the own set"
    curve.draw(progress.losses, title, work / "curves" / f"{run.name}.png")
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
    component.write(out, tower, aims.transform, config, modality.preprocessing(), record)
    stored = component.read(out)
    for s in data:
        predicted = score.predict(stored, modality, s, run.texts.deployed, sentences)
        record["sets"][s.name] |= score.score(predicted, s).record()
        if s.valid is not None:
            right = score.predict(stored, modality, replace(s, test=s.valid), run.texts.deployed, sentences)
            found = score.per_cent(right, s.valid.classes)
            record["sets"][s.name] |= {"valid": len(s.valid), "valid_accuracy": round(found, 2)}
    component.write(out, tower, aims.transform, config, modality.preprocessing(), record)
    return record
