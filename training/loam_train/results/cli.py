"""`results` on the command line."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

from .. import places
from ..arguments import add_loam, positive
from ..baseline.cli import results as baselines
from ..errors import InputError
from . import command, tasks
from .command import Places
from .evaluation import Evaluator

CONFIG = places.ROOT / "training" / "configs" / "results.toml"


def add_commands(commands: Any) -> None:
    """Adds it to the subparsers of the program."""
    made = commands.add_parser(
        "results",
        help="score all tasks through the engine and write models/RESULTS.md",
        epilog="example: python -m loam_train results --loam target/release/loam",
    )
    made.add_argument("config", type=Path, nargs="?", default=CONFIG, help="the list of tasks, a TOML file")
    add_loam(made, "the loam command")
    made.add_argument(
        "--tasks", nargs="+", default=[], metavar="TASK", help="only these, which the page then has alone"
    )
    made.add_argument("--foundation", type=Path, default=places.foundation(), help="what the engine opens")
    made.add_argument("--folders", type=Path, help="where the data folders are; in the cache by default")
    made.add_argument("--out", type=Path, default=places.ROOT / "models", help="directory of RESULTS.md")
    made.add_argument("--threads", type=positive, default=1)
    made.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    found, work = tasks.read(chosen.config), places.cache()
    names = [task.name for task in found.tasks]
    unknown = [name for name in chosen.tasks if name not in names]
    if unknown:
        raise InputError(chosen.config, f"no task is called {unknown[0]!r}, there are {', '.join(names)}")
    loam = shutil.which(chosen.loam)
    if loam is None:
        raise InputError(Path(chosen.loam), "there is no such command; --loam says where it is")
    at = Places(chosen.folders or work / "folders", baselines(work), work / "results")
    evaluator = Evaluator(Path(loam), chosen.foundation, work / "results")
    rows = command.run(found, chosen.tasks, at, evaluator, chosen.out, "python -m loam_train results")
    print(f"{sum(row.adapter is not None for row in rows)} adapters on {len(rows)} tasks: {chosen.out / 'RESULTS.md'}")
    return 0
