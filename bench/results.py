"""Raw numbers of a comparison: gathered, kept as JSON, and looked up."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import job as jobs
from job import Job
from places import finished
from suites import Measure, Row


@dataclass
class Run:
    """One process of one engine."""

    job: Job
    engine: str
    round: int
    #: Part of all processor time that others took.
    foreign: float
    #: That of an earlier try, which was dropped.
    dropped: float | None
    result: dict[str, Any]


@dataclass
class Results:
    """Everything that was measured."""

    machine: dict[str, Any] = field(default_factory=dict)
    #: What `machine_limits` printed.
    limits: dict[str, Any] | None = None
    #: Facts of the models' files.
    models: dict[str, dict[str, int]] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    perplexity: list[dict[str, Any]] = field(default_factory=list)

    def values(self, measure: Measure, engine: str) -> list[float]:
        """One value for each round, in order."""
        found = sorted((run for run in self.runs if run.job == measure.job and run.engine == engine), key=_round)
        values = (jobs.value(run.result, measure.key) for run in found)
        return [value for value in values if value is not None]

    def judged(self, row: Row, engine: str = jobs.LOAM) -> list[float]:
        """What the aim is compared with, for each round; rounds pair what ran close together."""
        values = self.values(row.measure, engine)
        if row.alone:
            return values
        if row.over_file:
            facts = self.models.get(row.measure.job.model, {})
            return [value / facts["file_bytes"] for value in values if facts]
        below = self.values(row.over, engine) if row.over else self.values(row.measure, jobs.PEER)
        return [value / other for value, other in zip(values, below, strict=False)]

    def save(self, path: Path) -> None:
        with finished(path) as part:
            part.write_text(json.dumps(asdict(self), indent=1) + "\n")


def _round(run: Run) -> int:
    return run.round


def load(paths: Iterable[Path]) -> Results:
    """Reads results; those of several files lie beside each other, on the first one's machine."""
    whole = Results()
    for path in paths:
        read = json.loads(path.read_text())
        whole.machine = whole.machine or read["machine"]
        whole.limits = whole.limits or read["limits"]
        whole.models |= read["models"]
        whole.runs += [Run(**run | {"job": Job(**run["job"])}) for run in read["runs"]]
        whole.perplexity += read["perplexity"]
    return whole


def ceilings(results: Results, threads: int) -> tuple[float, float] | None:
    """GB/s of the memory and GOP/s of the processor: the most that any run reached, for they are limits."""
    for entry in (results.limits or {}).get("limits", []):
        if entry["threads"] == threads and entry["int8"]:
            read = max(rate for size in entry["read"] for rate in size["gb_per_s"])
            return read, max(rate for kernel in entry["int8"] for rate in kernel["gop_per_s"])
    return None
