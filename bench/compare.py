"""Loam and llama.cpp side by side on the same files, with the aims beside the numbers.

Each measurement is a process of its own. The engines take turns in both orders (A B, B A, ...) with the same threads,
and every round runs all jobs, so that a machine whose speed drifts treats all alike. Rates on shared machines move;
ratios of what ran close together are what to quote. Needs the models of `models.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gguf

import job as jobs
import perplexity
import places
from job import LOAM, PEER, Job
from machine import await_quiet, hog, processor, watched
from report import FOREIGN_LIMIT, table
from results import Results, Run, load
from suites import SUITES, Row

MODELS = [f"smollm2-135m-{kind}" for kind in ("Q4_1", "Q4_0", "Q4_K_M", "Q8_0")] + [f"random-1b-{kind}" for kind in ("Q8_0", "Q4_0", "Q4_1", "Q4_K_M")]
ALL_SUITES = [*SUITES, "perplexity"]
DEFAULT_SUITES = ["decode", "prefill", "sequences", "lora", "memory", "busy"]
Limits = dict[str, Any] | None


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def attempt(job: Job, engine: str, loam: Path) -> tuple[float, dict[str, Any]]:
    """The part of the processor that others took, and the answer."""
    with ExitStack() as stack:
        busy = stack.enter_context(hog()) if job.busy else None
        share = stack.enter_context(watched(busy))
        result = jobs.run(job, engine, loam)
    return share.foreign, result


def measured(job: Job, engine: str, number: int, args: argparse.Namespace) -> Run:
    """A run; one that others spoiled is dropped once."""
    dropped = None
    await_quiet(FOREIGN_LIMIT, args.patience)
    foreign, result = attempt(job, engine, args.loam)
    if foreign > FOREIGN_LIMIT:
        say(f"  others took {foreign:.0%}: again")
        dropped = foreign
        await_quiet(FOREIGN_LIMIT, args.patience)
        foreign, result = attempt(job, engine, args.loam)
    return Run(job, engine, number, foreign, dropped, result)


def measure(results: Results, wanted: list[Job], output: Path, args: argparse.Namespace) -> None:
    """All rounds of all jobs; what is done is saved after each of them."""
    total, done, start = args.rounds * len(wanted) * len(args.engines), 0, time.monotonic()
    for number in range(args.rounds):
        # Backwards every other time, so that no job and no engine always comes first.
        step = -1 if number % 2 else 1
        for job in wanted[::step]:
            for engine in args.engines[::step]:
                run = measured(job, engine, number, args)
                results.runs.append(run)
                done += 1
                rates = [f"{jobs.value(run.result, key) or 0:.1f}" for key in ("prefill", "decode")]
                left = (time.monotonic() - start) / done * (total - done)
                say(
                    f"[{done}/{total}, {left / 60:.0f} min left] {engine}: {job.title()}: "
                    f"prefill {rates[0]}, decode {rates[1]} tok/s, others {run.foreign:.0%}"
                )
            results.save(output)


def facts(model: str) -> dict[str, int]:
    """Sizes of a model: of its file, and of what a pass multiplies by, with and without the logits' matrix."""
    path = places.model_path(model)
    found = {"file_bytes": path.stat().st_size, "weights": 0, "bytes": 0, "logits_weights": 0, "logits_bytes": 0}
    for tensor in gguf.GGUFReader(path).tensors:
        if len(tensor.shape) == 2:
            # Embeddings are tied: the same matrix makes the logits.
            kind = "logits_" if tensor.name == "token_embd.weight" else ""
            found[f"{kind}weights"] += int(tensor.n_elements)
            found[f"{kind}bytes"] += int(tensor.n_bytes)
    return found


def limits(program: Path, models: dict[str, dict[str, int]], threads: list[int], patience: float) -> Limits:
    """What the machine can do, measured now."""
    if not program.exists():
        say(f"{program} is missing: no limits (cargo build --release --package loam --example machine_limits)")
        return None
    sizes = sorted({round(model["file_bytes"] / 2**20) for model in models.values()})
    command: list[str | Path] = [program, ",".join(map(str, threads)), ",".join(map(str, sizes))]
    await_quiet(FOREIGN_LIMIT, patience)
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def listed(value: str) -> list[str]:
    return [part for part in value.split(",") if part]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    suites = f"comma-separated, of {', '.join(ALL_SUITES)}; or 'all'"
    parser.add_argument("--suite", type=listed, default=DEFAULT_SUITES, help=suites)
    parser.add_argument("--models", type=listed, default=MODELS, help="comma-separated, such as smollm2-135m-Q4_1")
    parser.add_argument("--threads", type=lambda value: [int(part) for part in listed(value)], default=[1, 2])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--patience", type=float, default=60, help="seconds that a job waits for a quiet machine")
    parser.add_argument("--engines", type=listed, default=[LOAM, PEER], help=f"comma-separated, of {LOAM}, {PEER}")
    parser.add_argument("--loam", type=Path, default=places.programs() / "loam")
    parser.add_argument("--limits", type=Path, default=places.programs() / "examples" / "machine_limits")
    parser.add_argument("--output", type=Path, help="raw numbers (JSON); the table goes beside them")
    parser.add_argument("--show", type=Path, nargs="+", help="measure nothing: the table of earlier raw numbers")
    args = parser.parse_args()
    if args.suite == ["all"]:
        args.suite = ALL_SUITES
    for kind, values, known in (("suite", args.suite, ALL_SUITES), ("engine", args.engines, [LOAM, PEER])):
        if unknown := set(values) - set(known):
            parser.error(f"unknown {kind}: {', '.join(sorted(unknown))}")
    if missing := [model for model in args.models if not places.model_path(model).exists()]:
        parser.error(f"no such model: {', '.join(missing)} (bench/models.py makes them)")
    return args


def main() -> None:
    args = arguments()
    chosen = [suite for name, suite in SUITES.items() if name in args.suite]
    rows: list[Row] = [
        row for model in args.models for threads in args.threads for suite in chosen for row in suite(model, threads)
    ]
    if args.show:
        print(table(load(args.show), rows))
        return
    output = args.output or places.made() / "results" / time.strftime("%Y-%m-%d-%H%M%S.json")
    output.parent.mkdir(parents=True, exist_ok=True)
    results = Results(machine={"processor": processor(), "cores": os.cpu_count(), "date": time.strftime("%Y-%m-%d")})
    results.models = {model: facts(model) for model in args.models}
    results.limits = limits(args.limits, results.models, args.threads, args.patience)
    wanted = list(dict.fromkeys(job for row in rows for job in row.jobs()))
    measure(results, wanted, output, args)
    if "perplexity" in args.suite:
        say("perplexity")
        results.perplexity = perplexity.measure(args.models, args.engines, max(args.threads), args.loam)
    results.save(output)
    text = table(results, rows)
    output.with_suffix(".md").write_text(text)
    print(text)
    say(f"raw numbers: {output}")


if __name__ == "__main__":
    main()
