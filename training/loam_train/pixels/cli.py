"""`upscaler` and `upscaled-set` on the command line."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from .. import places
from ..arguments import positive
from . import run as runs


def add_commands(commands: Any) -> None:
    """Adds both to the subparsers of the program."""
    upscaler = commands.add_parser(
        "upscaler",
        help="train a generator that enlarges pictures",
        epilog="example: python -m loam_train upscaler training/configs/pixels/upscaler.toml",
    )
    upscaler.add_argument("config", type=Path, help="the run's TOML file")
    upscaler.add_argument("--threads", type=positive, default=1)
    upscaler.add_argument("--out", type=Path, help="the generator's directory; in the cache by default")
    upscaler.add_argument("--fresh", action="store_true", help="begin anew instead of continuing")
    upscaler.set_defaults(run=_upscaler)
    held = commands.add_parser(
        "upscaled-set",
        help="write the pictures that the upscaler never saw, as Set5 is published, for `loam bench run --data`",
        epilog="example: python -m loam_train upscaled-set pictures",
    )
    held.add_argument("out", type=Path, help="directory for `image_SRF_4`")
    held.add_argument("--scale", type=positive, default=4)
    held.set_defaults(run=_set, threads=1)


def _upscaler(chosen: argparse.Namespace) -> int:
    from . import train as training

    run, work = runs.read(chosen.config), places.cache()
    checkpoint = work / "checkpoints" / f"{run.name}.pt"
    if chosen.fresh:
        checkpoint.unlink(missing_ok=True)
    record = training.train(run, checkpoint, chosen.out or work / "generators" / run.name)
    print(json.dumps(record, indent=1))
    return 0


def _set(chosen: argparse.Namespace) -> int:
    from .pictures import write_set

    print(f"{chosen.out}: {', '.join(write_set(chosen.out, chosen.scale))}")
    return 0
