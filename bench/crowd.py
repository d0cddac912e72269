"""Many chats with different adapters: one Loam engine against as many llama.cpp processes, and what processes take.

    crowd.py [--model smollm2-135m-Q4_0] [--threads 2] [--seconds 8] [--output docs/pictures/crowd.svg]
    crowd.py --memory          proportional set sizes: an engine in one app, in two, and a service with two clients

Prints tables, keeps the numbers as JSON in ~/.cache/loam/bench/results/crowd.json and draws them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

from job import LOAM, PEER
from machine import processor, proportional
from places import adapter_paths, made, model_path, programs
from plots import COLORS, GREY, STYLE

CHATS = (1, 2, 4, 8)
PROMPT, TOKENS = 32, 64
ADAPTERS = 4
MIB = 1 << 20


@contextmanager
def running(command: list[Any]) -> Iterator[subprocess.Popen[str]]:
    """A process that says `ready`, for as long as it is needed."""
    words = [str(word) for word in command]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent) as own:
        assert own.stdout is not None
        for line in own.stdout:
            if line.strip() == "ready":
                break
        else:
            sys.exit(f"{words[0]} ended with {own.wait()}")
        try:
            yield own
        finally:
            own.kill()


def shape_name(model: str) -> str:
    """Whose adapters fit."""
    return "smollm2-135m" if model.startswith("smollm2") else "random-1b"


def loam(model: str, threads: int, seconds: int) -> dict[str, Any]:
    """What `loam crowd` measures."""
    shape = shape_name(model)
    adapters = [word for index in range(ADAPTERS) for word in ("--adapter", str(adapter_paths(shape, index)[0]))]
    command = [programs() / "loam", "crowd", "--model", model_path(model), "--threads", threads, "--seconds", seconds]
    chats = ["--chats", ",".join(map(str, CHATS)), "--prompt", PROMPT, "--tokens", TOKENS, "--json"]
    words = [str(word) for word in [*command, *chats, *adapters]]
    output = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    result: dict[str, Any] = json.loads(output)
    return result


def peers(model: str, count: int, threads: int, seconds: int) -> tuple[float, int]:
    """Tokens per second and bytes of `count` llama.cpp processes that chat at once, each with `threads` threads."""
    shape = shape_name(model)

    def begin(index: int) -> Any:
        lora = adapter_paths(shape, index % ADAPTERS)[1]
        command = [sys.executable, "chatter.py", model_path(model), lora, threads, seconds, PROMPT, TOKENS]
        return running(command)

    managers = [begin(index) for index in range(count)]
    processes = [manager.__enter__() for manager in managers]
    try:
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for process in processes if process.stdout is not None]
        taken = sum(proportional(process.pid) for process in processes)
    finally:
        for manager in managers:
            manager.__exit__(None, None, None)
    rate = sum(answer["tokens"] / answer["seconds"] for answer in answers)
    return rate, taken - sum(answer["interpreter"] for answer in answers)


def measure(model: str, threads: int, seconds: int) -> dict[str, Any]:
    """Both engines, one after the other."""
    own = loam(model, threads, seconds)
    others = []
    for count in CHATS:
        # As many threads as there are, or one for each process: the better one counts.
        tries = [peers(model, count, each, seconds) for each in sorted({1, threads})]
        rate, taken = max(tries)
        others.append({"chats": count, "tokens_per_second": rate, "bytes": taken})
        print(f"{count} llama.cpp processes: {rate:.1f} tok/s, {taken / MIB:.0f} MiB", file=sys.stderr)
    return {"model": model, "threads": threads, "seconds": seconds, "processor": processor(), LOAM: own, PEER: others}


def table(result: dict[str, Any]) -> Iterator[str]:
    own, others = result[LOAM]["chats"], result[PEER]
    yield "| chats | Loam, tok/s | times one | llama.cpp processes, tok/s | Loam over them | their memory, MiB |"
    yield "|---|---|---|---|---|---|"
    for mine, theirs in zip(own, others, strict=True):
        rate, one = mine["tokens_per_second"], own[0]["tokens_per_second"]
        other = theirs["tokens_per_second"]
        yield (
            f"| {mine['chats']} | {rate:.0f} | {rate / one:.2f} | {other:.0f} | {rate / other:.2f} "
            f"| {theirs['bytes'] / MIB:.0f} |"
        )
    yield f"\nMemory of Loam at its peak, all of it: {result[LOAM]['peak_rss_bytes'] / MIB:.0f} MiB"


def draw(result: dict[str, Any], path: Path) -> None:
    """Rates, and memory, against the number of chats."""
    with pyplot.rc_context(STYLE):
        figure, (rates, memory) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
        own, others = result[LOAM]["chats"], result[PEER]
        rates.plot([c["chats"] for c in own], [c["tokens_per_second"] for c in own], "o-", color=COLORS[LOAM], label="one Loam engine")
        rates.plot(
            [c["chats"] for c in others],
            [c["tokens_per_second"] for c in others],
            "s-",
            color=COLORS[PEER],
            label="a llama.cpp process each",
        )
        rates.set(xlabel="chats, each with an adapter of its own", ylabel="tokens per second, all together")
        memory.plot([c["chats"] for c in others], [c["bytes"] / MIB for c in others], "s-", color=COLORS[PEER])
        memory.axhline(result[LOAM]["peak_rss_bytes"] / MIB, color=COLORS[LOAM])
        memory.set(xlabel="chats", ylabel="memory, MiB")
        for axes in (rates, memory):
            axes.set_xticks(CHATS)
            axes.set_ylim(bottom=0)
        rates.legend(labelcolor=GREY)
        figure.suptitle(f"{result['model']}, {result['threads']} threads")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None})
        pyplot.close(figure)


def processes(foundation: Path) -> dict[str, int]:
    """Proportional set sizes, in bytes: of one app with an engine, of two, and of a service with two clients."""
    user = programs() / "examples" / "user"
    with running([user, foundation, "one"]) as one:
        alone = proportional(one.pid)
        with running([user, foundation, "two"]) as two:
            both = proportional(one.pid) + proportional(two.pid)
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "socket"
        command = [programs() / "loamd", "--foundation", foundation, "--socket", socket, "--state", Path(folder) / "state"]
        with subprocess.Popen([str(word) for word in command]) as service:
            while not socket.exists():
                time.sleep(0.02)
            with running([user, socket, "one"]) as one, running([user, socket, "two"]) as two:
                parts = {name: proportional(pid) for name, pid in (("service", service.pid), ("one", one.pid), ("two", two.pid))}
            service.terminate()
    return {"one_app": alone, "two_apps": both, "service_and_clients": sum(parts.values()), **parts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m-Q4_0")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--memory", action="store_true", help="measure processes instead")
    parser.add_argument("--show", type=Path, help="draw and print earlier numbers")
    parser.add_argument("--output", type=Path, default=Path("crowd.svg"))
    args = parser.parse_args()
    if args.memory:
        found = processes(model_path("smollm2-135m-Q4_1").parent.parent)
        for name, taken in found.items():
            print(f"{name:20} {taken / MIB:8.1f} MiB  {taken / found['one_app']:.2f}")
        return
    kept = made() / "results" / "crowd.json"
    if args.show:
        result = json.loads(args.show.read_text())
    else:
        result = measure(args.model, args.threads, args.seconds)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(result, indent=1))
    print("\n".join(table(result)))
    print(json.dumps({key: result[LOAM][key] for key in ("flood", "prefix", "switch")}, indent=1))
    draw(result, args.output)


if __name__ == "__main__":
    main()
