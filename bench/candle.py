"""A prompt of 128 tokens beside candle's quantized llama, both on one file, in turn, in processes of their own."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
from pathlib import Path

import places
from job import Job, loam_speed

PROMPT = 128


def candle(program: Path, model: str, threads: int, runs: int) -> list[float]:
    """Rates of candle."""
    command = [program, places.model_path(model), str(PROMPT), str(runs)]
    # candle's own pool, and that of its matrix products.
    environment = os.environ | {"RAYON_NUM_THREADS": str(threads), "CANDLE_NUM_THREADS": str(threads)}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return [float(line) for line in done.stdout.split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["random-1b-Q8_0"])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3, help="runs of each side per round")
    parser.add_argument("--loam", type=Path, default=places.programs() / "loam")
    parser.add_argument("--candle", type=Path, default=places.programs() / "candle-prefill")
    args = parser.parse_args()
    print(f"| file | threads | Loam, prefill {PROMPT} | candle | Loam over candle |")
    print("|---|---|---|---|---|")
    for model in args.models:
        for threads in args.threads:
            ours, theirs = [], []
            for _ in range(args.rounds):
                ours += loam_speed(Job(model, threads, prompt=PROMPT, decode=1), args.loam)["prefill"]
                theirs += candle(args.candle, model, threads, args.runs)
            loam, peer = statistics.median(ours), statistics.median(theirs)
            print(f"| {model} | {threads} | {loam:.0f} | {peer:.0f} | {loam / peer:.2f} |", flush=True)


if __name__ == "__main__":
    main()
