"""The rows of the table: what each compares, and the jobs that it needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from aims import Aim, aim
from job import Job, decode_length

CONTEXTS = (0, 256, 512, 1024, 2048)
ROWS = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Measure:
    """One number of a job's answer."""

    job: Job
    key: str


@dataclass(frozen=True)
class Row:
    """One line of the table.

    What is judged is `measure` of Loam over that of llama.cpp, or, with `over`, over another measure of the same
    engine; with `alone`, nothing is divided, and with `over_file` the size of the model's file divides.
    """

    suite: str
    what: str
    measure: Measure
    unit: str
    over: Measure | None = None
    over_file: bool = False
    alone: bool = False
    aim: Aim = None
    #: Whether smaller is better.
    falling: bool = False

    def jobs(self) -> list[Job]:
        return [self.measure.job] + ([self.over.job] if self.over else [])


def plain(model: str, threads: int) -> Job:
    """The job that most rows share."""
    return Job(model, threads, decode=decode_length(model))


def decode(model: str, threads: int) -> Iterator[Row]:
    job = plain(model, threads)
    yield Row("decode", "decode", Measure(job, "decode"), "tok/s", aim=aim("decode", model, threads))


def prefill(model: str, threads: int) -> Iterator[Row]:
    short = Measure(plain(model, threads), "prefill")
    long = Measure(Job(model, threads, prompt=512, decode=1), "prefill")
    yield Row("prefill", "prefill 128", short, "tok/s", aim=aim("prefill 128", model, threads))
    yield Row("prefill", "prefill 512", long, "tok/s")
    wanted = aim("prefill 512 over 128", model, threads)
    yield Row("prefill", "prefill 512 over 128", long, "tok/s", over=short, aim=wanted)


def sequences(model: str, threads: int) -> Iterator[Row]:
    one = plain(model, threads)
    four = Measure(replace(one, sequences=4), "decode")
    wanted = aim("4 sequences", model, threads)
    yield Row("sequences", "4 sequences over 1", four, "tok/s", over=Measure(one, "decode"), aim=wanted)
    yield Row("sequences", "4 sequences", four, "tok/s")


def lora(model: str, threads: int) -> Iterator[Row]:
    base = plain(model, threads)
    adapted, four = replace(base, adapters=2), replace(base, sequences=4)
    decoded, filled = Measure(adapted, "decode"), Measure(adapted, "prefill")
    mixed = Measure(replace(four, adapters=4), "decode")
    wanted = aim("adapter", model, threads)
    yield Row("lora", "decode, LoRA over base", decoded, "tok/s", over=Measure(base, "decode"), aim=wanted)
    yield Row("lora", "decode, LoRA", decoded, "tok/s")
    yield Row("lora", "prefill 128, LoRA over base", filled, "tok/s", over=Measure(base, "prefill"))
    several = aim("4 adapters", model, threads)
    yield Row("lora", "4 sequences, 4 LoRAs over none", mixed, "tok/s", over=Measure(four, "decode"), aim=several)
    switch = Measure(adapted, "adapter_switch_ms")
    wanted = aim("adapter switch", model, threads)
    yield Row("lora", "adapter switch", switch, "ms", alone=True, aim=wanted, falling=True)


def memory(model: str, threads: int) -> Iterator[Row]:
    for prompt, wanted in ((128, aim("peak memory", model, threads)), (512, None)):
        job = Job(model, threads, prompt=prompt, decode=decode_length(model), lean=True)
        what = f"peak memory over file, prompt {prompt}"
        yield Row("memory", what, Measure(job, "peak"), "MB", over_file=True, aim=wanted, falling=True)


def busy(model: str, threads: int) -> Iterator[Row]:
    # With more threads than cores, or one, there is nothing that a busy core could stop.
    if 1 < threads <= (os.cpu_count() or 1):
        quiet = Measure(plain(model, 1), "decode")
        disturbed = Measure(replace(plain(model, threads), busy=True), "decode")
        wanted = aim("busy core", model, threads)
        yield Row("busy", "decode, busy core over quiet 1T", disturbed, "tok/s", over=quiet, aim=wanted)


def context(model: str, threads: int) -> Iterator[Row]:
    for depth in CONTEXTS:
        job = Job(model, threads, prompt=1, decode=32, context=depth)
        yield Row("context", f"decode at {depth}", Measure(job, "decode"), "tok/s")


def rows(model: str, threads: int) -> Iterator[Row]:
    for count in ROWS:
        job = replace(plain(model, threads), sequences=count)
        yield Row("rows", f"{count} row{'s' * (count > 1)}", Measure(job, "decode"), "tok/s")


Suite = Callable[[str, int], Iterator[Row]]
SUITES: dict[str, Suite] = {
    "decode": decode,
    "prefill": prefill,
    "sequences": sequences,
    "lora": lora,
    "memory": memory,
    "busy": busy,
    "context": context,
    "rows": rows,
}
