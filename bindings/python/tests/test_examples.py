"""The programs beside the package run, and say something true."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from place import NANO, REPOSITORY, TINY

FOLDER = REPOSITORY / "bindings/python"


def run(program: str, *arguments: object) -> str:
    command = [sys.executable, os.fspath(FOLDER / program), *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def test_the_probe_tells_texts_apart_that_it_has_not_seen() -> None:
    if not NANO.exists():
        pytest.skip("run `loam pull loam-nano` first")
    printed = run("examples/trainer_probe.py", NANO)
    found = re.search(r"^384 dimensions.*accuracy ([\d.]+) on the 15 .*, ([\d.]+) on 6 others$", printed, re.DOTALL | re.M)
    assert found is not None, printed
    # Chance is a third.
    assert float(found[1]) == 1.0 and float(found[2]) >= 5 / 6 - 0.01


def test_the_benchmark_prints_a_table_of_costs() -> None:
    rows = run("benchmark/run.py", TINY, "--rounds", 5).strip().splitlines()
    assert rows[0].startswith("| ") and set(rows[1]) <= set("|-: ")
    costs = {row.split("|")[1].strip(): float(row.split("|")[2]) for row in rows[2:]}
    assert len(costs) >= 8 and all(cost > 0 for cost in costs.values()), costs
    # Bytes cross without a copy per value: a call with a megabyte is no thousand times a call without.
    assert costs["1 MiB of PCM in, int16 array"] < 100_000
