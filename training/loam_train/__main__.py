"""`python -m loam_train COMMAND`."""

from __future__ import annotations

import argparse
import sys

import torch

from .adapter import cli as adapter
from .baseline import cli as baseline
from .data import cli as data
from .data import demo
from .dense import cli as dense
from .errors import InputError
from .own import cli as own
from .peers import cli as peers
from .pixels import cli as pixels
from .project import cli as project
from .results import cli as results
from .speech import cli as speech
from .towers import cli as towers


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="loam_train", description="Trains Loam's own towers and adapters.")
    commands = top.add_subparsers(dest="command", required=True)
    for part in (data, demo, towers, speech, project, pixels, adapter, dense, baseline, own, peers, results):
        part.add_commands(commands)
    return top


def main() -> int:
    """Runs one command."""
    chosen = parser().parse_args()
    # Commands that only write files do not ask for threads.
    torch.set_num_threads(getattr(chosen, "threads", 1))
    try:
        code: int = chosen.run(chosen)
    except InputError as error:
        print(f"loam_train: {error}", file=sys.stderr)
        return 2
    return code


if __name__ == "__main__":
    sys.exit(main())
