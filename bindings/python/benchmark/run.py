"""What crossing from Python into the engine costs, as a Markdown table.

    python benchmark/run.py SCENARIOS/tiny

The foundation is the tiny one of `make scenarios`, so that the work of the models is as small as it can be. Each figure is
the best of some rounds: the machine's other work only ever adds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import loam
from loam._ffi import loam_ffi as ffi
from loam.session import generate_options

MIB = 1 << 20
PROMPT, TOKENS = "The cat", 200


class Count(ffi.EventSink):
    """The cheapest receiver."""

    def __init__(self) -> None:
        self.events = 0

    def on_event(self, event: Any) -> bool:
        self.events += 1
        return True


def microseconds(call: Callable[[], object], calls: int, rounds: int) -> float:
    """Of one call, at best."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(calls):
            call()
        best = min(best, time.perf_counter() - start)
    return best / calls * 1e6


def event_cost(app: loam.App, rounds: int) -> tuple[float, float]:
    """Microseconds per event: in a bare callback, and through a stream's queue.

    The model's own time is taken off by a generation of the same tokens that tells nothing until its end: all of its text may
    yet become the stop string, which is that text and one character more.
    """
    text = app.generate(PROMPT, max_tokens=TOKENS).text()
    plain, silent = generate_options(TOKENS, None, ()), generate_options(TOKENS, None, [text + "\0"])
    bare = queued = held = float("inf")
    events = 0
    for _ in range(rounds):
        sink, quiet = Count(), Count()
        start = time.perf_counter()
        app._inner.generate(PROMPT, plain, None, sink).wait()
        bare = min(bare, time.perf_counter() - start)

        start = time.perf_counter()
        app._inner.generate(PROMPT, silent, None, quiet).wait()
        held = min(held, time.perf_counter() - start)

        start = time.perf_counter()
        for _ in app.generate(PROMPT, max_tokens=TOKENS):
            pass
        queued = min(queued, time.perf_counter() - start)
        events = sink.events - quiet.events
        assert events > TOKENS / 4, "the silent generation is silent"
    return (bare - held) / events * 1e6, (queued - held) / events * 1e6


def rows(engine: loam.Engine, rounds: int) -> list[tuple[str, float]]:
    """What is measured, and its cost in microseconds."""
    app = engine.attach("com.example.benchmark")
    i16, f32 = np.zeros(MIB // 2, np.int16), np.zeros(MIB // 4, np.float32)
    pixels, raw = np.zeros((512, 512, 4), np.uint8), bytes(MIB)
    i16_format, rgba = loam.PcmFormat.I16, loam.PixelLayout.RGBA
    packed = app._inner.embed(loam.Input.text("a")._inner, None, None)
    bare, queued = event_cost(app, rounds)

    def unpack() -> np.float32:
        value: np.float32 = loam.Embedding.of(packed).vector[0]
        return value

    def cost(call: Callable[[], object], calls: int) -> float:
        return microseconds(call, calls, rounds)

    return [
        ("a function without arguments, `version()`", cost(ffi.version, 2000)),
        ("a property of an object, `App.id`", cost(lambda: app.id, 2000)),
        ("a text in, `Input.text`", cost(lambda: loam.Input.text("a"), 2000)),
        ("a refused call, an exception", cost(lambda: refused(app), 1000)),
        ("an event of a stream, in a callback", bare),
        ("an event of a stream, by `for`", queued),
        ("1 MiB of PCM in, int16 array", cost(lambda: loam.Input.pcm(i16, 16_000), 20)),
        ("1 MiB of PCM in, float32 array", cost(lambda: loam.Input.pcm(f32, 16_000), 20)),
        ("1 MiB of PCM in, bytes", cost(lambda: loam.Input.pcm_bytes(raw, i16_format, 16_000), 20)),
        ("1 MiB of pixels in, uint8 array", cost(lambda: loam.Input.pixels(pixels), 20)),
        ("1 MiB of pixels in, bytes", cost(lambda: loam.Input.pixel_bytes(raw, rgba, 512, 512), 20)),
        ("an embedding as an array, once it is here", cost(unpack, 2000)),
        ("an embedding of a text, whole", cost(lambda: app.embed(loam.Input.text("a")), 200)),
    ]


def refused(app: loam.App) -> bool:
    """Whether an adapter is unknown, as it is."""
    try:
        app.adapter("none")
    except loam.LoamError.UnknownAdapter:
        return True
    return False


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("foundation", help="the tiny foundation of `make scenarios`")
    parser.add_argument("--rounds", type=int, default=7, help="of which the best counts")
    arguments = parser.parse_args()
    print("| what | µs |\n|---|---:|")
    for name, cost in rows(loam.Engine.open(arguments.foundation), arguments.rounds):
        print(f"| {name} | {cost:.1f} |")


if __name__ == "__main__":
    main()
