"""`towers`, `check-towers` and `holdout` on the command line."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from .. import places
from ..arguments import add_loam, minutes, positive
from . import command, component
from . import run as runs
from .modality import open_modality


def add_commands(commands: Any) -> None:
    """Adds them to the subparsers of the program."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("config", type=Path, help="the run's TOML file")
    common.add_argument("--data", type=Path, default=places.SETS, help="root of the data sets")
    common.add_argument(
        "--foundation", type=Path, default=places.foundation(), help="whose text encoder spans the space"
    )
    common.add_argument("--threads", type=positive, default=1)
    train = commands.add_parser(
        "towers",
        parents=[common],
        help="train a tower into the text encoder's space",
        epilog="example: python -m loam_train towers training/configs/towers/imu.toml",
    )
    train.add_argument("--out", type=Path, help="the tower's directory; in the cache by default")
    train.add_argument("--fresh", action="store_true", help="begin anew instead of continuing")
    train.set_defaults(run=_train)
    check = commands.add_parser(
        "check-towers",
        parents=[common],
        help="compare torch with the engine on test inputs",
        epilog="example: python -m loam_train check-towers training/configs/towers/imu.toml --loam target/release/loam",
    )
    check.add_argument("--tower", type=Path, help="the tower's directory; in the cache by default")
    check.add_argument("--examples", type=positive, default=200, help="of each set")
    add_loam(check, "the loam command, which builds a foundation")
    check.set_defaults(run=_check)
    hold = commands.add_parser(
        "holdout",
        parents=[common],
        help="train without a set or some classes, and score what was left out",
        epilog="example: python -m loam_train holdout training/configs/towers/imu.toml --without wisdm51_watch",
    )
    hold.add_argument("--without", required=True, metavar="SET", help="the name of a set's folder")
    hold.add_argument(
        "--classes",
        nargs="+",
        default=[],
        metavar="CLASS",
        help="leave out these alone, from all sets that name them alike",
    )
    hold.add_argument("--minutes", type=minutes(1440), default=3.0, help="of training, 3 by default")
    hold.set_defaults(run=_hold)


def _train(chosen: argparse.Namespace) -> int:
    from .engine import Engine

    run, work = runs.read(chosen.config), places.cache()
    modality = open_modality(run, chosen.config)
    if chosen.fresh:
        command.checkpoint(run, work).unlink(missing_ok=True)
    out = chosen.out or command.folder(run, work)
    data = command.load(run, modality, chosen.data)
    record = command.train(run, chosen.config, modality, data, Engine(chosen.foundation).embed, work, out)
    print(json.dumps(record, indent=1))
    return 0


def _hold(chosen: argparse.Namespace) -> int:
    from . import holdout
    from .engine import Engine

    run = runs.read(chosen.config)
    run = dataclasses.replace(run, training=dataclasses.replace(run.training, minutes=chosen.minutes))
    modality = open_modality(run, chosen.config)
    data = command.load(run, modality, chosen.data)
    run, left, held = holdout.without(run, chosen.config, data, chosen.without, chosen.classes)
    sentences = Engine(chosen.foundation).embed
    record = holdout.train(run, chosen.config, modality, left, held, sentences, places.cache())
    print(json.dumps(record, indent=1))
    return 0


def _check(chosen: argparse.Namespace) -> int:
    """1 where a set differs by more than the tolerance."""
    from . import check as checks
    from .engine import Engine, build_foundation

    run, work = runs.read(chosen.config), places.cache()
    tower = chosen.tower or command.folder(run, work)
    stored = component.read(tower)
    modality = open_modality(run, chosen.config, stored.preprocessing)
    foundation = work / "foundations" / run.name
    licence = "; ".join(dict.fromkeys(source.licence for source in run.sets))
    build_foundation(tower, run.modality, licence, chosen.foundation, foundation, chosen.loam)
    engine = Engine(foundation)
    found = [
        checks.compare(s, stored, modality, engine, run.texts.deployed, chosen.examples)
        for s in command.load(run, modality, chosen.data)
    ]
    print(f"{'set':20} {'examples':>8} {'chance':>7} {'torch':>7} {'engine':>7} {'same':>7}")
    for one in found:
        numbers = (100 / one.classes, one.torch, one.engine, one.agreement)
        print(f"{one.name:20} {one.examples:8} " + " ".join(f"{n:7.2f}" for n in numbers))
    apart = [one.name for one in found if one.difference > checks.TOLERANCE + 1e-9]
    if apart:
        print(
            f"torch and the engine differ by more than {checks.TOLERANCE} points on {', '.join(apart)}", file=sys.stderr
        )
    return 1 if apart else 0
