"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

MOST = 1_000_000_000
"""Of a whole number: what follows from it by multiplication still fits 64 bits."""


def at_least(least: int) -> Callable[[str], int]:
    """Reads whole numbers of at least `least`."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r}, expected a whole number") from error
        if not least <= number <= MOST:
            raise argparse.ArgumentTypeError(f"{text}, expected {least} to {MOST}")
        return number

    return read


positive = at_least(1)
"""A whole number of at least 1."""


def minutes(most: int) -> Callable[[str], float]:
    """Reads minutes above 0, at most `most`."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r}, expected a number of minutes") from error
        if not 0 < number <= most:
            raise argparse.ArgumentTypeError(f"{text}, expected more than 0 and at most {most}")
        return number

    return read


def add_loam(parser: argparse.ArgumentParser, purpose: str) -> None:
    """Adds `--loam`, the engine's command."""
    parser.add_argument("--loam", default=os.environ.get("LOAM", "loam"), help=purpose)
