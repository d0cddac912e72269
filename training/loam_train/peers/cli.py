"""`peers`: times and memory of models of one task, for `loam bench compare` and `report`."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from tqdm import tqdm

from .. import places
from ..arguments import positive
from ..baseline import record
from ..errors import InputError
from ..machine import processor

MODELS: Path = places.ROOT.parent / "shared" / "weights" / "task-models"
NAME = "measured.json"
SCHEMA = 1


def add_commands(commands: Any) -> None:
    """Adds it to the subparsers of the program."""
    peers = commands.add_parser(
        "peers",
        help="how long models of one task take and what they hold, each in a process of its own",
        epilog="example: python -m loam_train peers runs/peers; then: loam bench report --runs runs",
    )
    peers.add_argument("out", type=Path, help=f"folder for {NAME}")
    peers.add_argument("--sets", nargs="+", default=[], metavar="SET", help="only these")
    peers.add_argument("--data", type=Path, default=places.SETS, help="folder of all sets")
    peers.add_argument(
        "--models", type=Path, default=MODELS, help="models of other makers; left out where it is not there"
    )
    peers.add_argument("--threads", type=positive, default=os.cpu_count(), help="of each model (default: all cores)")
    peers.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    from .peer import best
    from .plan import PEERS

    unknown = [name for name in chosen.sets if name not in PEERS]
    if unknown:
        raise InputError(chosen.out, f"set {unknown[0]!r} has no such model, known are {', '.join(PEERS)}")
    cores = os.cpu_count() or 1
    if chosen.threads > cores:
        raise InputError(
            chosen.out, f"--threads is {chosen.threads}, expected at most {cores}, as many as there are cores"
        )
    found: dict[str, Any] = {
        "schema": SCHEMA, "machine": processor(), "date": date.today().isoformat(), "peers": {}, "ready": [],
    }  # fmt: skip
    out = chosen.out / NAME
    with tempfile.TemporaryDirectory() as folder:
        for name in tqdm(chosen.sets or list(PEERS), desc="models of one task", unit="model"):
            timed = best(PEERS[name](chosen.data), Path(folder) / name.replace("/", "_"), chosen.threads)
            found["peers"][name] = timed.told()
            record.write(out, found)
        for told in () if chosen.sets else _ready(chosen, Path(folder)):
            found["ready"].append(told)
            record.write(out, found)
    print(out)
    return 0


def _ready(chosen: argparse.Namespace, work: Path) -> Iterator[dict[str, Any]]:
    from .peer import best
    from .ready import FOREIGN, operators

    for one in tqdm(FOREIGN, desc="models of other makers", unit="model"):
        file = chosen.models / one.folder / one.file
        if not file.exists():
            continue
        windows, wanted = one.rows(chosen.data)
        timed = best(one.ready(windows, chosen.models), work / one.folder, chosen.threads)
        count, kinds = operators(file)
        yield {
            "name": one.name, "task": one.task, "set": one.set, "score": one.score(chosen.models, wanted, timed),
            "bytes": file.stat().st_size, "operators": count, "kinds": kinds, **timed.told(),
        }  # fmt: skip
