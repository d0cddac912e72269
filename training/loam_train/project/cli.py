"""`project` on the command line."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from .. import curve, places
from ..adapter import foundation, language
from ..adapter.features import open_eyes
from ..arguments import positive
from ..data import open_data
from ..errors import InputError
from . import run as runs
from . import train as training


def add_commands(commands: Any) -> None:
    """Adds `project` to the subparsers of the program."""
    project = commands.add_parser(
        "project",
        help="train a projector from a tower into the backbone",
        epilog="example: python -m loam_train project training/configs/project/image.toml",
    )
    project.add_argument("config", type=Path, help="the run's TOML file")
    project.add_argument("--tower", type=Path, help="the tower's directory; the one in models/towers by default")
    project.add_argument("--data", type=Path, default=places.SETS, help="root of the data sets")
    project.add_argument("--folders", type=Path, default=places.cache() / "folders", help="where `folders` wrote")
    project.add_argument("--foundation", type=Path, default=places.foundation(), help="whose backbone reads")
    project.add_argument("--threads", type=positive, default=1)
    project.add_argument("--out", type=Path, help="the projector's directory; in the cache by default")
    project.add_argument("--fresh", action="store_true", help="begin anew instead of continuing")
    project.set_defaults(run=_project)


def _project(chosen: argparse.Namespace) -> int:
    run, work = runs.read(chosen.config), places.cache()
    tower = chosen.tower or places.ROOT / "models" / "towers" / run.tower
    if not tower.is_dir():
        raise InputError(tower, "there is no tower; --tower says where it is")
    folder = None
    if run.answers:
        path = chosen.folders / run.answers
        if not path.is_dir():
            raise InputError(
                path, f"there is no such folder; `python -m loam_train folders {chosen.folders}` writes it"
            )
        folder = open_data(path)
    checkpoint = work / "checkpoints" / f"{run.name}.pt"
    if chosen.fresh:
        checkpoint.unlink(missing_ok=True)
    material = training.gather(run, open_eyes(tower, run.tower), chosen.data, folder)
    model = language.load(foundation.component(chosen.foundation, "backbone"), torch.bfloat16)
    out = chosen.out or work / "projectors" / run.tower
    record = training.train(run, model, material, checkpoint, out)
    curve.draw(record["losses"], f"{run.name}: loss of the answers' tokens", work / "curves" / f"{run.name}.png")
    print(json.dumps(record, indent=1))
    return 0
