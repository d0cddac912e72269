"""`python -m loam_train COMMAND`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import torch

from . import component, places, towers
from . import run as runs
from .errors import InputError
from .run import Run


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}, expected at least 1")
    return number


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="loam_train", description="Trains Loam's own towers.")
    commands = top.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("config", type=Path, help="the run's TOML file")
    common.add_argument("--data", type=Path, default=places.SETS, help="root of the data sets")
    common.add_argument(
        "--foundation", type=Path, default=places.foundation(), help="whose text encoder spans the space"
    )
    common.add_argument("--threads", type=_positive, default=1)
    train = commands.add_parser("towers", parents=[common], help="train a tower into the text encoder's space")
    train.add_argument("--out", type=Path, help="the tower's directory; in the cache by default")
    train.add_argument("--fresh", action="store_true", help="begin anew instead of continuing")
    check = commands.add_parser("check-imu", parents=[common], help="compare torch with the engine on test windows")
    check.add_argument("--tower", type=Path, help="the tower's directory; in the cache by default")
    check.add_argument("--windows", type=_positive, default=200, help="of each set")
    check.add_argument(
        "--loam", default=os.environ.get("LOAM", "loam"), help="the loam command, which builds a foundation"
    )
    return top


def train(chosen: argparse.Namespace, run: Run) -> int:
    """`towers`."""
    from .engine import Engine

    work = places.cache()
    if chosen.fresh:
        towers.checkpoint(run, work).unlink(missing_ok=True)
    out = chosen.out or towers.folder(run, work)
    record = towers.train(run, chosen.config, towers.load(run, chosen.data), Engine(chosen.foundation).embed, work, out)
    print(json.dumps(record, indent=1))
    return 0


def check(chosen: argparse.Namespace, run: Run) -> int:
    """`check-imu`; 1 where a set differs by more than the tolerance."""
    from . import check as checks
    from .engine import Engine, build_foundation

    work = places.cache()
    tower = chosen.tower or towers.folder(run, work)
    stored = component.read(tower)
    foundation = work / "foundations" / run.name
    licence = "; ".join(dict.fromkeys(source.licence for source in run.sets))
    build_foundation(tower, licence, chosen.foundation, foundation, chosen.loam)
    engine = Engine(foundation)
    found = [checks.compare(s, stored, engine, run, chosen.windows) for s in towers.load(run, chosen.data)]
    print(f"{'set':20} {'windows':>7} {'chance':>7} {'torch':>7} {'engine':>7} {'same':>7}")
    for one in found:
        numbers = (100 / one.classes, one.torch, one.engine, one.agreement)
        print(f"{one.name:20} {one.windows:7} " + " ".join(f"{n:7.2f}" for n in numbers))
    apart = [one.name for one in found if one.difference > checks.TOLERANCE + 1e-9]
    if apart:
        print(
            f"torch and the engine differ by more than {checks.TOLERANCE} points on {', '.join(apart)}", file=sys.stderr
        )
    return 1 if apart else 0


def main() -> int:
    """Runs one command."""
    chosen = parser().parse_args()
    torch.set_num_threads(chosen.threads)
    try:
        run = runs.read(chosen.config)
        return {"towers": train, "check-imu": check}[chosen.command](chosen, run)
    except InputError as error:
        print(f"loam_train: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
