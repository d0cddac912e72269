"""What changing the adapter between two requests costs: Loam, llama.cpp's set-adapter, and loading the adapter or all again.

    switch.py [--model smollm2-135m-Q4_0] [--threads 1] [--rounds 60]

Each request is one token of prompt; its time goes from asking to the first logits (Loam: to the first token, through the queue).
Prints a table, and keeps the numbers as JSON in ~/.cache/loam/bench/results/switch.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from crowd import ADAPTERS, shape_name
from llama import Context, Model, Row
from machine import processor
from places import adapter_paths, made, model_path, programs


def spread(milliseconds: list[float]) -> dict[str, float]:
    return {"p50": float(np.percentile(milliseconds, 50)), "p95": float(np.percentile(milliseconds, 95))}


def loam(model: str, threads: int) -> dict[str, Any]:
    """What `loam crowd` measures of switches."""
    adapters = [word for index in range(ADAPTERS) for word in ("--adapter", adapter_paths(shape_name(model), index)[0])]
    command = [programs() / "loam", "crowd", "--model", model_path(model), "--threads", threads, "--seconds", 1, "--chats", 1, "--json"]
    words = [str(word) for word in [*command, *adapters]]
    result = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)["switch"]
    return {"same adapter": result["same"], "adapters in turn": result["in_turn"]}


def timed(rounds: int, prepare: Callable[[int], Context]) -> dict[str, float]:
    """Time of one token after `prepare`, which makes the context ready for a round's adapter."""
    out = []
    for number in range(rounds + 1):
        begin = time.perf_counter()
        context = prepare(number)
        context.keep(0)
        context.run([Row(100 + number, 0, 0, True)])
        context.logits(1)
        out.append((time.perf_counter() - begin) * 1e3)
    # The first one finds everything cold.
    return spread(out[1:])


def peer(model: str, threads: int, rounds: int) -> dict[str, Any]:
    path = str(model_path(model))
    files = [str(adapter_paths(shape_name(model), index)[1]) for index in range(ADAPTERS)]
    loaded = Model(path)
    context = Context(loaded, threads, 256)
    adapters = [loaded.adapter(file) for file in files]

    def use(adapter: Any) -> Context:
        context.use(adapter)
        return context

    def again(number: int) -> Context:
        whole = Model(path)
        own = Context(whole, threads, 256)
        own.use(whole.adapter(files[number % ADAPTERS]))
        return own

    context.use(adapters[0])
    return {
        "same adapter": timed(rounds, lambda _: context),
        "set-adapter in turn": timed(rounds, lambda number: use(adapters[number % ADAPTERS])),
        "adapter loaded again": timed(rounds // 4, lambda number: use(loaded.adapter(files[number % ADAPTERS]))),
        "model and adapter loaded again": timed(4, again),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m-Q4_0")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=60)
    args = parser.parse_args()
    result = {"Loam": loam(args.model, args.threads), "llama.cpp": peer(args.model, args.threads, args.rounds)}
    print(f"{processor()}, {args.model}, {args.threads} threads\n\n| engine | between two requests | p50, ms | p95, ms |\n|---|---|---|---|")
    for engine, rows in result.items():
        for name, values in rows.items():
            print(f"| {engine} | {name} | {values['p50']:.2f} | {values['p95']:.2f} |")
    kept = made() / "results" / "switch.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
