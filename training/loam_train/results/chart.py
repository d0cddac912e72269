"""The table's scores as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

from .row import Row

_WAYS = (
    ("zero-shot", "zero_shot", "#d9c9a3", "o"),
    ("16-shot", "few", "#c08b4f", "o"),
    ("adapter", "adapter", "#3f6b35", "o"),
    ("model of its own", "baseline", "#222222", "|"),
)
_ROW = 0.3
"""Inches."""


def draw(rows: Sequence[Row], path: Path) -> None:
    """One line a task, the better the further right; error rates are left out."""
    shown = [row for row in rows if not row.task.falling]
    figure, axes = pyplot.subplots(figsize=(8, 1.3 + _ROW * len(shown)), layout="constrained")
    for place, row in enumerate(reversed(shown)):
        found = [score.value for _, name, _, _ in _WAYS if (score := getattr(row, name)) is not None]
        if found:
            axes.plot([min(found), max(found)], [place, place], color="#e3e3de", linewidth=5, zorder=1)
        if row.chance is not None:
            axes.plot(row.chance, place, "x", color="#999999", markersize=4, zorder=2)
    for label, name, colour, marker in _WAYS:
        points = [
            (score.value, place)
            for place, row in enumerate(reversed(shown))
            if (score := getattr(row, name)) is not None
        ]
        thin = marker == "|"
        axes.plot(
            [value for value, _ in points],
            [place for _, place in points],
            marker,
            color=colour,
            markersize=13 if thin else 7,
            markeredgewidth=2 if thin else 0,
            label=label,
            zorder=4 if thin else 3,
        )
    axes.plot([], [], "x", color="#999999", markersize=4, label="chance")
    axes.set_yticks(range(len(shown)), [row.task.title for row in reversed(shown)])
    axes.set(xlim=(0, 101), xlabel="per cent of the test split")
    axes.grid(axis="x", color="#eeeeea", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside upper center", ncols=5, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    with pyplot.rc_context({"svg.hashsalt": "loam"}):
        figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
