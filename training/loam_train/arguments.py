"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable


def positive(text: str) -> int:
    """A whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}, expected at least 1")
    return number


def minutes(most: int) -> Callable[[str], float]:
    """Reads minutes above 0, at most `most`."""

    def read(text: str) -> float:
        number = float(text)
        if not 0 < number <= most:
            raise argparse.ArgumentTypeError(f"{text}, expected more than 0 and at most {most}")
        return number

    return read


def add_loam(parser: argparse.ArgumentParser, purpose: str) -> None:
    """Adds `--loam`, the engine's command."""
    parser.add_argument("--loam", default=os.environ.get("LOAM", "loam"), help=purpose)
