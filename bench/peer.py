"""llama.cpp in a process of its own: one JSON request as the argument, one JSON line as the answer.

    peer.py '{"task": "speed", "model": "m.gguf", "threads": 1, "prompt": 128, "decode": 64}'
    peer.py '{"task": "perplexity", "model": "m.gguf", "threads": 1, "tokens": ["ids.json"]}'
    peer.py '{"task": "tokenize", "model": "m.gguf", "text": "a.txt", "window": 1024, "windows": 4}'

What a request may hold is the fields of `Speed`, `Perplexity` and `Tokenize`.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from llama import UBATCH, Context, Model, Row
from machine import memory

#: Tokens per pass when logits of all are wanted: `SCORE_CHUNK` of Loam.
SCORE_CHUNK = 64
#: Switches between two adapters; the first ones grow buffers.
SWITCHES = 12


@dataclass
class Speed:
    """Rates as `loam speed` measures them, and the memory of the process at its end."""

    model: str
    threads: int
    prompt: int = 128
    decode: int = 64
    sequences: int = 1
    repeat: int = 3
    #: Tokens in every sequence's cache before the first decoded one.
    context: int = 0
    #: GGUF LoRAs; sequence i uses number i, cyclically.
    adapters: list[str] = field(default_factory=list)
    #: Settings of flash attention; the better one counts, for prefill and decode apart. 'auto' comes to 'on' or 'off'.
    flash: list[str] = field(default_factory=lambda: ["auto"])

    def answer(self) -> dict[str, Any]:
        before = memory()
        model = Model(self.model)
        start = time.perf_counter()
        adapters = [model.adapter(path) for path in self.adapters]
        loaded = (time.perf_counter() - start) * 1e3
        length = max(self.prompt, self.context + self.decode)
        contexts = {flash: Context(model, self.threads, length, self.sequences, flash) for flash in self.flash}
        prefill: dict[str, list[float]] = {flash: [] for flash in self.flash}
        decode: dict[str, list[float]] = {flash: [] for flash in self.flash}
        for measure, rates in ((self.prefill, prefill), (self.decoding, decode)):
            for context in contexts.values():
                measure(context, adapters)  # warms up
            for _ in range(self.repeat):
                for flash, context in contexts.items():
                    rates[flash].append(measure(context, adapters))
        last = contexts[self.flash[0]]
        switches = self.switches(last, adapters) if len(adapters) > 1 else None
        return {
            "prefill": best(prefill),
            "decode": best(decode),
            "flash": {"prefill": prefill, "decode": decode} if len(self.flash) > 1 else self.flash[0],
            "adapter_load_ms": loaded / len(adapters) if adapters else None,
            "adapter_switch_ms": switches,
            "threads": self.threads,
            # The interpreter and its libraries are no part of llama.cpp.
            "interpreter_bytes": before["VmRSS"],
            "interpreter_anonymous_bytes": before["RssAnon"],
            "peak_rss_bytes": memory()["VmHWM"],
            "anonymous_bytes": memory()["RssAnon"],
            "file_bytes": memory()["RssFile"],
        }

    def prefill(self, context: Context, adapters: list[Any]) -> float:
        context.keep(0)
        context.use(adapters[0] if adapters else None)
        rows = self.rows(context, 0, self.prompt, 0)
        return rate(self.prompt, lambda: passes(context, rows))

    def decoding(self, context: Context, adapters: list[Any]) -> float:
        if context.depth != self.context:
            context.keep(0)
            for sequence in range(self.sequences):
                context.use(adapters[sequence % len(adapters)] if adapters else None)
                passes(context, self.rows(context, 0, self.context, sequence))
        context.keep(self.context)
        # llama.cpp cannot mix adapters in a pass: its best is one pass for each of them.
        groups = max(1, min(len(adapters), self.sequences))
        steps = []
        for position in range(self.context, self.context + self.decode):
            for group in range(groups):
                members = range(group, self.sequences, groups)
                steps.append((group, [self.row(context, position, sequence, True) for sequence in members]))

        def work() -> None:
            for group, rows in steps:
                if groups > 1:
                    context.use(adapters[group])
                context.run(rows)

        context.use(adapters[0] if adapters else None)
        return rate(self.decode * self.sequences, work)

    def switches(self, context: Context, adapters: list[Any]) -> list[float]:
        """What the first token after a switch takes more than the one after it, in milliseconds."""
        extra = []
        for switch in range(SWITCHES + 2):
            times = []
            for step in range(2):
                context.keep(0)
                start = time.perf_counter()
                if step == 0:
                    context.use(adapters[switch % 2])
                context.run([self.row(context, 0, 0, True)])
                times.append((time.perf_counter() - start) * 1e3)
            extra.append(times[0] - times[1])
        return extra[2:]

    def rows(self, context: Context, start: int, end: int, sequence: int) -> list[Row]:
        """Rows of a prompt; the last one asks for logits."""
        return [self.row(context, position, sequence, position + 1 == end) for position in range(start, end)]

    @staticmethod
    def row(context: Context, position: int, sequence: int, logits: bool) -> Row:
        """Some token of the vocabulary, the same one as in Loam."""
        return Row(1 + (position + sequence) % (context.model.tokens - 1), position, sequence, logits)


@dataclass
class Perplexity:
    """Negative log-likelihood of files of token ids, each in one context as `loam perplexity` does."""

    model: str
    threads: int
    tokens: list[str]

    def answer(self) -> dict[str, Any]:
        model = Model(self.model)
        results = []
        for path in self.tokens:
            ids = json.loads(Path(path).read_text())
            context = Context(model, self.threads, len(ids))
            total = 0.0
            for start in range(0, len(ids), SCORE_CHUNK):
                chunk = ids[start : start + SCORE_CHUNK]
                context.run([Row(token, start + i, 0, True) for i, token in enumerate(chunk)])
                following = ids[start + 1 : start + 1 + len(chunk)]
                total += surprise(context.logits(len(chunk))[: len(following)], following)
            count = len(ids) - 1
            results.append({"perplexity": float(np.exp(total / count)), "tokens": count})
        return {"windows": results}


@dataclass
class Tokenize:
    """Token ids of the first `windows` windows of a text."""

    model: str
    text: str
    window: int
    windows: int

    def answer(self) -> dict[str, Any]:
        ids = Model(self.model).tokenize(Path(self.text).read_text())
        return {"windows": [ids[i * self.window : (i + 1) * self.window] for i in range(self.windows)]}


def surprise(logits: np.ndarray, following: list[int]) -> float:
    """Sum of the negative log-likelihoods of the tokens that follow, in f64."""
    values = logits.astype(np.float64)
    peak = values.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(values - peak).sum(axis=1)) + peak[:, 0]
    return float((log_sum - values[np.arange(len(following)), following]).sum())


def passes(context: Context, rows: list[Row]) -> None:
    """Runs any number of rows of a prompt."""
    for start in range(0, len(rows), UBATCH):
        context.run(rows[start : start + UBATCH])


def rate(tokens: int, work: Callable[[], None]) -> float:
    """Tokens per second."""
    start = time.perf_counter()
    work()
    return tokens / (time.perf_counter() - start)


def best(rates: dict[str, list[float]]) -> list[float]:
    """The rates of the setting with the best median."""
    return max(rates.values(), key=statistics.median)


TASKS = {"speed": Speed, "perplexity": Perplexity, "tokenize": Tokenize}


def main() -> None:
    if len(sys.argv) != 2 or not sys.argv[1].startswith("{"):
        sys.exit(__doc__)
    request = json.loads(sys.argv[1])
    task = TASKS[request.pop("task")](**request)
    print(json.dumps({"request": asdict(task), **task.answer()}))


if __name__ == "__main__":
    main()
