"""`folders`: public sets as data folders."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Protocol

from .. import places
from ..errors import InputError
from . import media_sets, texts


class Writable(Protocol):
    """A set that can be written as a data folder."""

    def write(self, name: str, root: Path, out: Path) -> dict[str, int]:
        """Writes the folder `out` from the sets under `root`; gives the count of rows of each split."""


SETS: dict[str, Writable] = {**texts.SETS, **media_sets.sets()}
"""All sets by the name of their folder."""


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `folders`; what it parses has `run`, which takes the parsed arguments and gives the exit status."""
    folders = commands.add_parser("folders", help="write public sets as data folders")
    folders.add_argument("out", type=Path, help="directory for the folders")
    folders.add_argument("sets", nargs="*", metavar="SET", help=f"all by default, of {', '.join(SETS)}")
    folders.add_argument("--data", type=Path, default=places.SETS, help="root of the data sets")
    folders.set_defaults(run=write, threads=1)


def write(chosen: argparse.Namespace) -> int:
    """Writes the chosen sets."""
    unknown = [name for name in chosen.sets if name not in SETS]
    if unknown:
        raise InputError(chosen.out, f"set {unknown[0]!r} is unknown, known are {', '.join(SETS)}")
    for name in chosen.sets or SETS:
        counts = SETS[name].write(name, chosen.data, chosen.out / name)
        print(f"{name:20} " + ", ".join(f"{count} {split}" for split, count in counts.items()))
    return 0
