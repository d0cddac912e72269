"""The table of a comparison, as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from statistics import median

from job import LOAM, PEER
from results import Results, ceilings
from suites import Measure, Row, plain

#: Above this part of all processor time, others have spoiled a job.
FOREIGN_LIMIT = 0.10


def table(results: Results, rows: Iterable[Row]) -> str:
    """Every row with its aim beside it: medians over the rounds, ranges in brackets."""
    machine = results.machine
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['date']}. Medians over rounds [range]; "
        "'over' compares an engine with itself, the rest is Loam over llama.cpp."
    ]
    if shown := [line(results, row) for row in rows]:
        lines += [
            "",
            "| model | threads | what | Loam | llama.cpp | judged | llama.cpp's own | aim | |",
            "|---|---|---|---|---|---|---|---|---|",
            *shown,
        ]
    disturbed = [run for run in results.runs if run.foreign > FOREIGN_LIMIT]
    if disturbed:
        lines += ["", f"Others took more than {FOREIGN_LIMIT:.0%} of the processor, twice:"]
        lines += [f"- {run.engine}, {run.job.title()}, round {run.round + 1}: {run.foreign:.0%}" for run in disturbed]
    lines += shares(results)
    if results.perplexity:
        lines += ["", *perplexities(results)]
    return "\n".join(lines) + "\n"


def line(results: Results, row: Row) -> str:
    job = row.measure.job
    judged = results.judged(row)
    # Where engines are compared with each other, llama.cpp over itself would be 1.
    own = results.judged(row, PEER) if row.over or row.over_file else []
    cells = [
        job.model,
        str(job.threads),
        row.what,
        spread(results.values(row.measure, LOAM), row.unit),
        spread(results.values(row.measure, PEER), row.unit),
        "" if row.alone else spread(judged),
        spread(own),
        "" if row.aim is None else f"{'<=' if row.falling else '>='} {row.aim:.4g}",
        verdict(judged, row),
    ]
    return f"| {' | '.join(cells)} |"


def verdict(judged: list[float], row: Row) -> str:
    if row.aim is None or not judged:
        return ""
    value = statistics.median(judged)
    met = value <= row.aim if row.falling else value >= row.aim
    return "met" if met else "**missed**"


def spread(values: list[float], unit: str = "") -> str:
    """Median and range, in digits that mean something."""
    if not values:
        return ""
    scale = 1e-6 if unit == "MB" else 1.0
    shown = [number(value * scale, unit) for value in (statistics.median(values), min(values), max(values))]
    end = f" {unit}" if unit in ("ms", "MB") else ""
    return f"{shown[0]}{end}" if shown[1] == shown[2] else f"{shown[0]}{end} [{shown[1]}-{shown[2]}]"


def number(value: float, unit: str) -> str:
    if not unit:
        return f"{value:.2f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}"


def perplexities(results: Results) -> list[str]:
    lines = [
        "Perplexity, WikiText-2 test (both engines on the same tokens; the F32 file holds Q4_1's values):",
        "",
        "| model | tokens | Loam | llama.cpp | Loam over llama.cpp | top-1 as F32's | KL from F32's, nats |",
        "|---|---|---|---|---|---|---|",
    ]
    for entry in results.perplexity:
        ours, theirs = entry.get(LOAM), entry.get(PEER)
        ratio = f"{ours / theirs:.4f}" if ours and theirs else ""
        shown = [f"{value:.4f}" if value else "" for value in (ours, theirs)]
        shown += [
            ratio,
            f"{entry['top1']:.1%}" if "top1" in entry else "",
            f"{entry['kl']:.4f}" if "kl" in entry else "",
        ]
        lines.append(f"| {entry['model']} | {entry['tokens']} | {' | '.join(shown)} |")
    return lines


def shares(results: Results) -> list[str]:
    """How much of what the machine can do decoding (memory) and prefill (int8 products) reach, in Loam."""
    lines = []
    for model, facts in results.models.items():
        for threads in sorted({run.job.threads for run in results.runs}):
            limit = ceilings(results, threads)
            decoded = results.values(Measure(plain(model, threads), "decode"), LOAM)
            filled = results.values(Measure(plain(model, threads), "prefill"), LOAM)
            if not (limit and decoded and filled):
                continue
            read = median(decoded) * (facts["bytes"] + facts["logits_bytes"]) / 1e9
            done = median(filled) * 2 * facts["weights"] / 1e9
            lines.append(
                f"| {model} | {threads} | {read:.1f} of {limit[0]:.1f} GB/s | {read / limit[0]:.0%} "
                f"| {done:.0f} of {limit[1]:.0f} GOP/s | {done / limit[1]:.0%} |"
            )
    head = [
        "",
        "Of the most that this machine reached in the same run:",
        "",
        "| model | threads | decode: weights read | | prefill 128: products | |",
        "|---|---|---|---|---|---|",
    ]
    return head + lines if lines else []
