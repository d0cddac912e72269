"""One measurement, and how each engine is asked for it."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import places
from shapes import LARGE, shape_of

LOAM, PEER = "loam", "llama.cpp"
Result = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """What one process of either engine measures."""

    model: str
    threads: int
    prompt: int = 128
    decode: int = 64
    sequences: int = 1
    context: int = 0
    adapters: int = 0
    #: Beside a process that keeps one core busy.
    busy: bool = False
    #: Memory is what counts: one context, and no repetition that could add to it.
    lean: bool = False

    def title(self) -> str:
        """A line for people."""
        parts = [self.model, f"{self.threads}T", f"prompt {self.prompt}", f"decode {self.decode}"]
        parts += [f"{self.sequences} sequences"] if self.sequences > 1 else []
        parts += [f"context {self.context}"] if self.context else []
        parts += [f"{self.adapters} adapters"] if self.adapters else []
        parts += ["busy core"] if self.busy else []
        return ", ".join(parts)

    def repeat(self) -> int:
        """Runs within the process; a large model varies less and takes longer."""
        if self.lean:
            return 1
        return 2 if shape_of(self.model) == LARGE else 3


def decode_length(model: str) -> int:
    """Tokens to decode: enough for a clock, few enough for patience."""
    return 32 if shape_of(model) == LARGE else 64


def run(job: Job, engine: str, loam: Path) -> Result:
    """Measures `job` in a process of its own."""
    return loam_speed(job, loam) if engine == LOAM else peer_speed(job)


def loam_speed(job: Job, program: Path) -> Result:
    """One run of `loam speed`."""
    command: list[str | Path] = [program, "speed", "--model", places.model_path(job.model), "--json"]
    for flag, value in (
        ("-p", job.prompt),
        ("-n", job.decode),
        ("--sequences", job.sequences),
        ("--repeat", job.repeat()),
        ("--threads", job.threads),
        ("--context", job.context),
    ):
        command += [flag, str(value)]
    for index in range(job.adapters):
        command += ["--adapter", places.adapter_paths(shape_of(job.model).name, index)[0]]
    return answer(command, job.threads)


def peer_speed(job: Job) -> Result:
    """One run of `peer.py`. Flash attention left alone is on; off is the other thing that llama.cpp can do."""
    return peer(
        {
            "task": "speed",
            "model": str(places.model_path(job.model)),
            "threads": job.threads,
            "prompt": job.prompt,
            "decode": job.decode,
            "sequences": job.sequences,
            "repeat": job.repeat(),
            "context": job.context,
            "adapters": [str(places.adapter_paths(shape_of(job.model).name, i)[1]) for i in range(job.adapters)],
            "flash": ["auto"] if job.lean else ["auto", "off"],
        }
    )


def peer(request: dict[str, Any]) -> Result:
    """The answer of `peer.py`."""
    return answer([sys.executable, Path(__file__).with_name("peer.py"), json.dumps(request)], request.get("threads", 1))


def answer(command: list[Any], threads: int) -> Result:
    """The JSON that a command prints, or its complaint."""
    # Commands of Loam without an option for threads read this variable.
    environment = os.environ | {"LOAM_THREADS": str(threads)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr.strip() or done.returncode}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def value(result: Result, key: str) -> float | None:
    """One number of an answer: the median where there are several."""
    if key == "peak":
        # The peer runs in an interpreter, whose own memory was taken before the model was loaded.
        return result["peak_rss_bytes"] - result.get("interpreter_bytes", 0)
    found = result.get(key)
    return statistics.median(found) if isinstance(found, list) else found
