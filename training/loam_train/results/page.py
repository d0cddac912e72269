"""The table as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .row import Row, Score
from .tasks import POINTS, RELATIVE

HEADER = (
    "task", "test rows", "chance", "baseline", "zero-shot", "16-shot", "adapter", "parity", "goal", "torch",
    "adapter kB", "share", "adapter ms", "baseline kB", "baseline ms",
)  # fmt: skip


def write(path: Path, rows: Sequence[Row], command: str, machine: str, date: str, notes: Sequence[str]) -> None:
    """Writes the page."""
    judged = [row for row in rows if row.parity is not None]
    level = sum(bool(row.parity) for row in judged)
    goals = [row for row in rows if row.reached is not None]
    lines = [
        "# Results",
        "",
        f"Made by `{command}` on {date}; {machine}. Scores are of the test splits, which no training saw, in per cent.",
        "",
        f"**Parity on {level} of {len(judged)} tasks**"
        f"{f' ({100 * level / len(judged):.0f} %)' if judged else ''}; "
        f"goals reached: {sum(bool(row.reached) for row in goals)} of {len(goals)}.",
        "",
        "![Baseline, zero-shot, 16-shot and adapter of each task](results.svg)",
        "",
        "| " + " | ".join(HEADER) + " |",
        "|---" + "|--:" * (len(HEADER) - 1) + "|",
        *(_line(row) for row in rows),
        "",
        "## How to read it",
        "",
        "- *Baseline*: a model made for this task alone (`python -m loam_train baselines`), the one of several kinds that "
        "was best on validation rows: TF-IDF with a linear classifier or the text encoder fine-tuned whole (`minilm`), the "
        "tower's trunk from nothing (`cnn`), recurrent units (`gru`), trees (`forest`). It runs in PyTorch, one thread.",
        "- *Zero-shot*: the bare foundation and the words for the classes. *Chance* is one in as many as there are classes.",
        "- *16-shot*: 16 random training rows a class, one draw; logistic regression on the encoder's frozen embedding, as "
        "an adapter that is a head alone.",
        "- *Adapter*: the shipped package. Zero-shot, 16-shot and adapter run through the engine: `loam eval`, one row at a "
        "time, median latency.",
        f"- *Parity*: the adapter is at most {POINTS:g} point below the baseline; for error rates and scores of texts at "
        f"most {100 * RELATIVE:g} % of the baseline's score worse.",
        "- *Torch*: the adapter's score in PyTorch where training scored the same number of rows; the engine's may differ "
        "by 0.5 points.",
        "- *Share*: the adapter's parameters by those of the component that it acts on. Differences of less than twice "
        "the standard error (in brackets) are noise.",
    ]
    missed = [row for row in rows if row.task.reason]
    if missed:
        lines += ["", "## Where it falls short", ""]
        lines += [f"- **{row.task.title}**: {row.task.reason}" for row in missed]
    if notes:
        lines += ["", "## Notes", "", *(f"- {note}" for note in notes)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _line(row: Row) -> str:
    baseline, adapter = row.baseline, row.adapter
    cells = [
        row.task.title + ("" if row.task.metric == "accuracy" else f" ({row.task.metric.replace('_', ' ')})"),
        str(row.examples or "-"),
        "-" if row.chance is None else f"{row.chance:.1f}",
        "-" if baseline is None else f"{baseline.value:.1f} {baseline.what}",
        _value(row.zero_shot),
        _value(row.few),
        "-" if adapter is None else f"**{adapter.value:.1f}**{f' ({adapter.error:.1f})' if adapter.error else ''}",
        _yes(row.parity),
        "-" if not row.task.goal else f"{row.task.goal:g} {_yes(row.reached)}",
        "-" if row.torch is None else f"{row.torch:.1f}",
        "-" if adapter is None else f"{adapter.bytes / 1000:,.0f}",
        "-" if not row.share else f"{100 * row.share:.2f} %",
        "-" if adapter is None else f"{adapter.latency:.1f}",
        "-" if baseline is None else f"{baseline.bytes / 1000:,.0f}",
        "-" if baseline is None else f"{baseline.latency:.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _value(score: Score | None) -> str:
    return "-" if score is None else f"{score.value:.1f}"


def _yes(held: bool | None) -> str:
    return "-" if held is None else "yes" if held else "no"
