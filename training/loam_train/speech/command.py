"""The `speech` command: data to a component directory with its scores."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from .. import curve
from ..towers.network import parameters
from . import component, data, loop, network, trial
from .batches import Batches
from .settings import Run


def checkpoint(run: Run, work: Path) -> Path:
    """Where the run is resumed from."""
    return work / "checkpoints" / f"{run.name}.pt"


def folder(run: Run, work: Path) -> Path:
    """Where the tower goes unless the command line says otherwise."""
    return work / "towers" / run.name


def train(run: Run, path: Path, root: Path, work: Path, out: Path) -> dict[str, Any]:
    """Trains or continues, exports to `out`, scores what was exported, and gives the record that lies beside it.

    Raises:
        InputError: for a network in the run's file `path` that cannot be built, its data, and its checkpoint.
    """
    torch.manual_seed(run.training.seed)
    tower = network.build(network.config(run), path)
    sources = data.sources(run, work)
    print(f"{len(sources.synthetic)} synthetic clips, {parameters(tower):,} parameters")
    progress = loop.train(tower, Batches(sources, run), run, checkpoint(run, work))
    curve.draw(progress.losses, f"{run.name}: CTC loss per character", work / "curves" / f"{run.name}.png")
    hours = {"synthetic": _hours(sources.synthetic.ends[-1], run)}
    hours |= {recorded.name: _hours(corpus.ends[-1], run) for recorded, corpus in sources.recorded}
    record: dict[str, Any] = {
        "steps": progress.step,
        "seconds": round(progress.seconds, 1),
        "threads": torch.get_num_threads(),
        "seed": run.training.seed,
        "parameters": parameters(tower),
        "hours_of_data": hours,
        "hours_heard": round(progress.heard / 3600, 1),
        "data": [
            *({"source": one.folder, "licence": one.licence, "use": "recorded speech"} for one in run.recorded),
            *({"source": one.folder, "licence": one.licence, "use": "texts, synthesised"} for one in run.script.texts),
            *({"source": one.engine, "licence": one.licence, "use": "voices"} for one in run.script.casts),
        ],
    }
    component.write(out, tower, run, record)
    record["scores"] = scores(run, root, work, out)
    component.write(out, tower, run, record)
    return record


def scores(run: Run, root: Path, work: Path, tower: Path) -> dict[str, Any]:
    """Error rates of a stored tower on all tests, per cent."""
    stored = component.read(tower)
    out = {}
    for name, recorded in trial.sets(run, root, work).items():
        found = trial.by_torch(stored, recorded, run.scores.beam)
        out[name] = {search: asdict(errors) for search, errors in found.items()}
    return out


def _hours(frames: int, run: Run) -> float:
    return round(float(frames) * run.mel.hop / run.mel.rate / 3600, 2)
