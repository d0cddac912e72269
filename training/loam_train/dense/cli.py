"""`dense KIND`: a head over the places of a picture, from scenes to a package that `loam adapter install` takes."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .. import places
from ..arguments import at_least, minutes, positive


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `dense`; what it parses has `run`, which takes the parsed arguments and gives the exit status."""
    from .heads import KINDS

    dense = commands.add_parser(
        "dense",
        help="train a head that segments, detects, counts or locates, on scenes put together from small sets",
        epilog="example: python -m loam_train dense things --out things.safetensors",
    )
    dense.add_argument("kind", choices=KINDS, help="what it does, and the adapter's name")
    dense.add_argument("--out", type=Path, help="the package; KIND.safetensors by default")
    dense.add_argument("--data", type=Path, default=places.SETS, help="folder of all sets")
    dense.add_argument("--foundation", type=Path, default=places.foundation(), help="directory of the foundation")
    dense.add_argument("--minutes", type=minutes(10_000), default=5.0, help="budget of computing (default: 5)")
    dense.add_argument("--seed", type=at_least(0), default=7)
    dense.add_argument("--threads", type=positive, default=1, help="of the processor (default: 1)")
    dense.set_defaults(run=_train)
    add_scenes(commands)


def add_scenes(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `scenes`."""
    scenes = commands.add_parser(
        "scenes",
        help="write test scenes in the forms of COCO, ADE20K, UCF-QNRF and RefMatte, for `loam bench run --data`",
        epilog="example: python -m loam_train scenes scenes --count 200",
    )
    scenes.add_argument("out", type=Path, help="directory for the four folders")
    scenes.add_argument("--data", type=Path, default=places.SETS, help="folder of all sets")
    scenes.add_argument("--count", type=positive, default=200, help="scenes of each kind (default: 200)")
    scenes.set_defaults(run=_scenes, threads=1)


def _scenes(chosen: argparse.Namespace) -> int:
    from .export import export

    for name, count in export(chosen.data, chosen.out, chosen.count).items():
        print(f"{name:20} {count} pictures")
    return 0


def _train(chosen: argparse.Namespace) -> int:
    from .train import Request, train

    out = chosen.out or Path(f"{chosen.kind}.safetensors")
    request = Request(
        chosen.kind, chosen.data, chosen.foundation, out, chosen.minutes, chosen.seed, places.cache()
    )  # fmt: skip
    print(json.dumps(train(request), indent=1))
    print(f"{out}: {out.stat().st_size} bytes")
    return 0
