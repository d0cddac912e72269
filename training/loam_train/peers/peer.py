"""A model beside the foundation: its file, its rows, and what a process of its own tells of it."""

from __future__ import annotations

import json
import os
import pickle
import statistics
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .. import places
from ..errors import InputError

MOST_ROWS = 100
"""Whose times are taken; they lie as far apart as the set allows."""
_CHILD = Path(__file__).with_name("child.py")
_LIBRARIES = {
    "onnx": "onnxruntime",
    "forest": "onnxruntime",
    "tflite": "ai-edge-litert",
    "stored": "scikit-learn",
    "sphinx": "pocketsphinx",
}
_NAMES = {
    "onnx": "ONNX Runtime",
    "forest": "ONNX Runtime",
    "tflite": "LiteRT",
    "stored": "scikit-learn",
    "sphinx": "PocketSphinx",
}


@dataclass(frozen=True)
class Ready:
    """A model as a process of its own loads it."""

    runtime: str
    """Of `child.RUNTIMES`."""
    libraries: tuple[str, ...]
    """Modules that are loaded before anything is measured."""
    model: bytes
    rows: list[Any]
    compact: bool = True
    """Whether what the process holds says something of the model, and not of how the runtime unpacks it."""


@dataclass(frozen=True)
class Timed:
    """What the process told."""

    runtime: str
    threads: int
    median_ms: float
    p95_ms: float
    held_bytes: int | None
    answers: list[Any]

    def told(self) -> dict[str, Any]:
        """As JSON, but for the answers."""
        return {
            "runtime": self.runtime, "threads": self.threads, "median_ms": round(self.median_ms, 4),
            "p95_ms": round(self.p95_ms, 4), "held_bytes": self.held_bytes, "rows": len(self.answers),
        }  # fmt: skip


def spread(count: int, most: int = MOST_ROWS) -> list[int]:
    """At most so many of `count` rows, as far apart as they can be."""
    if count <= most:
        return list(range(count))
    return [at * count // most for at in range(most)]


def best(ready: Ready, folder: Path, threads: int) -> Timed:
    """The quicker of one thread and so many, each in a process of its own; `folder` is for its files.

    Raises:
        InputError: with what the process said, where it failed.
    """
    tried = [time(ready, folder, count) for count in sorted({1, threads})]
    return min(tried, key=lambda one: one.median_ms)


def time(ready: Ready, folder: Path, threads: int) -> Timed:
    """Runs it in a process of its own; `folder` is for its files.

    Raises:
        InputError: with what the process said, where it failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model").write_bytes(ready.model)
    (folder / "rows.pickle").write_bytes(pickle.dumps(ready.rows))
    (folder / "peer.json").write_text(
        json.dumps({"runtime": ready.runtime, "libraries": ready.libraries, "threads": threads})
    )
    # What is stored may be of this package.
    environment = os.environ | {"PYTHONPATH": str(places.ROOT / "training"), "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, str(_CHILD), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise InputError(folder, f"the model's process ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    told = json.loads(done.stdout.splitlines()[-1])
    times = sorted(told["ms"])
    name = f"{_NAMES[ready.runtime]} {version(_LIBRARIES[ready.runtime])}"
    late = times[min(len(times) - 1, int(0.95 * len(times)))]
    return Timed(
        name, threads, statistics.median(times), late, told["held_bytes"] if ready.compact else None, told["answers"]
    )
