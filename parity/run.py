"""Runs Loam beside the reference engines and prints a table; exit status 1 if a limit is broken.

    python run.py --loam PATH [--only families adapters smollm2 minilm]

Both sides run live, so this needs the environment and the models of setup.sh.
The core tests check the same against stored vectors and need neither.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from transformers.utils import logging

from checks import Row, adapters, families, minilm, smollm2
from loam import Loam

CHECKS: dict[str, Callable[[Loam], Iterator[Row]]] = {
    "families": families.check,
    "adapters": adapters.check,
    "smollm2": smollm2.check,
    "minilm": minilm.check,
}
VERDICTS: dict[bool | None, str] = {True: "ok", False: "FAILED", None: ""}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare Loam with its reference engines.")
    parser.add_argument("--loam", type=Path, required=True, help="the loam binary")
    parser.add_argument("--only", nargs="+", choices=CHECKS, default=list(CHECKS), help="run these checks")
    return parser.parse_args()


def main() -> int:
    chosen = arguments()
    if not chosen.loam.is_file():
        print(f"there is no binary at {chosen.loam}", file=sys.stderr)
        return 2
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    loam = Loam(chosen.loam.resolve())
    passed = failed = 0
    for name in chosen.only:
        started = time.monotonic()
        print(f"\n{name}")
        for row in CHECKS[name](loam):
            print(f"  {row.case:36} {row.measured:12} {row.limit:12} {VERDICTS[row.holds]}", flush=True)
            passed += row.holds is True
            failed += row.holds is False
        print(f"  {time.monotonic() - started:.0f} s")
    print(f"\n{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
