"""`python -m loam_train COMMAND`."""

from __future__ import annotations

import argparse
import sys

import torch

from .errors import InputError
from .towers import cli as towers


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="loam_train", description="Trains Loam's own towers and adapters.")
    commands = top.add_subparsers(dest="command", required=True)
    towers.add_commands(commands)
    return top


def main() -> int:
    """Runs one command."""
    chosen = parser().parse_args()
    torch.set_num_threads(chosen.threads)
    try:
        code: int = chosen.run(chosen)
    except InputError as error:
        print(f"loam_train: {error}", file=sys.stderr)
        return 2
    return code


if __name__ == "__main__":
    sys.exit(main())
