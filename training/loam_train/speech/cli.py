"""`speech-data`, `speech` and `check-speech` on the command line."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from .. import places
from ..arguments import add_loam, positive
from . import command, component, data, settings, trial


def add_commands(commands: Any) -> None:
    """Adds them to the subparsers of the program."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("config", type=Path, help="the run's TOML file")
    common.add_argument("--data", type=Path, default=places.SETS, help="root of the data sets")
    common.add_argument("--threads", type=positive, default=1)
    make = commands.add_parser(
        "speech-data",
        parents=[common],
        help="synthesise speech and compute the spectrograms of a run",
        epilog="example: python -m loam_train speech-data training/configs/speech/speech.toml --processes 4",
    )
    make.add_argument("--processes", type=positive, default=2, help="that read aloud side by side")
    make.set_defaults(run=_make)
    train = commands.add_parser(
        "speech",
        parents=[common],
        help="train a speech recogniser",
        epilog="example: python -m loam_train speech training/configs/speech/speech.toml",
    )
    train.add_argument("--out", type=Path, help="the tower's directory; in the cache by default")
    train.add_argument("--fresh", action="store_true", help="begin anew instead of continuing")
    train.set_defaults(run=_train)
    check = commands.add_parser(
        "check-speech",
        parents=[common],
        help="compare torch with the engine on test recordings",
        epilog="example: python -m loam_train check-speech training/configs/speech/speech.toml "
        "--tower models/towers/speech --loam target/release/loam",
    )
    check.add_argument("--tower", type=Path, help="the tower's directory; in the cache by default")
    add_loam(check, "the loam command, which builds a foundation")
    check.set_defaults(run=_check)


def _make(chosen: argparse.Namespace) -> int:
    run = settings.read(chosen.config)
    print(json.dumps(data.make(run, chosen.data, places.cache(), chosen.processes), indent=1))
    return 0


def _train(chosen: argparse.Namespace) -> int:
    run, work = settings.read(chosen.config), places.cache()
    if chosen.fresh:
        command.checkpoint(run, work).unlink(missing_ok=True)
    out = chosen.out or command.folder(run, work)
    print(json.dumps(command.train(run, chosen.config, chosen.data, work, out), indent=1))
    return 0


def _check(chosen: argparse.Namespace) -> int:
    """1 where a set differs by more than the tolerance."""
    from .engine import Listener, build_foundation

    run, work = settings.read(chosen.config), places.cache()
    tower = chosen.tower or command.folder(run, work)
    stored = component.read(tower)
    foundation = work / "foundations" / run.name
    build_foundation(tower, run.network.dim, "; ".join(run.licences), foundation, chosen.loam)
    listener = Listener(foundation)
    found = [trial.compare(n, r, stored, listener) for n, r in trial.sets(run, chosen.data, work).items()]
    print(f"{'set':20} {'utterances':>10} {'torch':>13} {'engine':>13} {'live':>13} {'same':>6}   WER/CER, %")
    for one in found:
        rates = " ".join(f"{e.words:6.2f}/{e.characters:6.2f}" for e in (one.torch, one.engine, one.live))
        print(f"{one.name:20} {one.torch.utterances:10} {rates} {one.same:6.1f}")
    apart = [one.name for one in found if one.difference > trial.TOLERANCE + 1e-9]
    if apart:
        print(
            f"torch and the engine differ by more than {trial.TOLERANCE} points on {', '.join(apart)}", file=sys.stderr
        )
    return 1 if apart else 0
