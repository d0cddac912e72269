"""What the system tells about itself, and who else uses it."""

from __future__ import annotations

import multiprocessing
import os
import platform
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def processor() -> str:
    """Name of the processor, as the system tells it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Hardware"):
            return value.strip()
    return platform.machine()


def memory(process: int | str = "self") -> dict[str, int]:
    """Memory of a process, in bytes: `VmRSS`, `VmHWM` (its peak), `RssAnon` and `RssFile`."""
    found = {}
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in ("VmRSS", "VmHWM", "RssAnon", "RssFile"):
            found[name] = int(value.split()[0]) * 1024
    return found


def proportional(process: int | str = "self") -> int:
    """Bytes of a process, pages that it shares with others divided among them (PSS)."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


@dataclass
class Share:
    """Part of all processor time that others took, from 0 to 1."""

    foreign: float = 0.0


def _busy() -> float:
    """Seconds that all processors have worked for anybody, guests and hypervisor included."""
    fields = Path("/proc/stat").read_text().partition("\n")[0].split()
    user, nice, system, _idle, _wait, irq, soft_irq, steal, *_ = map(int, fields[1:])
    return (user + nice + system + irq + soft_irq + steal) / _TICKS


def _own(hog: int | None) -> float:
    """Seconds that this process, its ended children and `hog` have worked."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    if hog is not None:
        fields = Path(f"/proc/{hog}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / _TICKS
    return total


@contextmanager
def watched(hog: int | None = None) -> Iterator[Share]:
    """Measures what others take meanwhile; `hog` is no other."""
    share = Share()
    start, busy, own = time.monotonic(), _busy(), _own(hog)
    yield share
    elapsed = time.monotonic() - start
    others = (_busy() - busy) - (_own(hog) - own)
    # Clocks tick every 10 ms, so the share of a short time may come out as anything.
    share.foreign = min(1.0, max(0.0, others / (elapsed * (os.cpu_count() or 1))))


def await_quiet(limit: float, patience: float) -> None:
    """Returns when others take less than `limit`, or after `patience` seconds."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        with watched() as share:
            time.sleep(1.0)
        if share.foreign < limit:
            return


def _spin(parent: int) -> None:
    """Works until the process that asked for it is gone, however it ended."""
    while os.getppid() == parent:
        for _ in range(1_000_000):
            pass


@contextmanager
def hog() -> Iterator[int]:
    """A process that keeps one core busy, wherever the scheduler puts it; yields its id."""
    process = multiprocessing.get_context("fork").Process(target=_spin, args=(os.getpid(),), daemon=True)
    process.start()
    try:
        yield process.pid or 0
    finally:
        process.kill()
        process.join()
