"""Pictures of a comparison: a roofline, the rate against the context, and the rate against the rows of a pass.

Backgrounds are transparent and text is mid-grey, so that a page may be light or dark.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from job import LOAM, PEER
from results import Results, ceilings, load
from shapes import shape_of
from suites import CONTEXTS, ROWS, Measure, Row, context, plain, rows

GREY = "#808080"
#: Both stand out on white and on black.
COLORS = {LOAM: "#4c9a2a", PEER: "#d0782a"}
MARKERS = ("o", "s", "^", "D", "v", "P")
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "savefig.transparent": True,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "grid.color": GREY,
    "legend.frameon": False,
    # The same file for the same numbers.
    "svg.hashsalt": "loam",
} | {
    key: GREY
    for key in ("text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor", "xtick.color", "ytick.color")
}


@dataclass(frozen=True)
class Load:
    """A kind of pass: its name, its rows, and the measure of its rate."""

    name: str
    rows: int
    measure: Measure

    def work(self, facts: dict[str, int]) -> tuple[float, float]:
        """Operations of one token, and operations for each byte of weights that a pass reads.

        The logits of a prompt are those of its last token alone, so they count for nothing there.
        """
        logits = 0 if self.measure.key == "prefill" else 1
        weights = facts["weights"] + logits * facts["logits_weights"]
        size = facts["bytes"] + logits * facts["logits_bytes"]
        return 2 * weights, 2 * weights * self.rows / size


def loads(model: str, threads: int) -> list[Load]:
    job = plain(model, threads)
    return [
        Load("decode", 1, Measure(job, "decode")),
        Load("4 rows", 4, Measure(replace(job, sequences=4), "decode")),
        Load("prefill", job.prompt, Measure(job, "prefill")),
    ]


def roofline(results: Results, threads: int) -> Figure | None:
    """GOP/s against operations for each byte."""
    figure, axes = pyplot.subplots(figsize=(7.5, 5), layout="constrained")
    found = False
    for marker, model in zip(MARKERS, results.models, strict=False):
        for load_ in loads(model, threads):
            operations, intensity = load_.work(results.models[model])
            for engine, color in COLORS.items():
                rates = results.values(load_.measure, engine)
                if rates:
                    found = True
                    reached = median(rates) * operations / 1e9
                    axes.plot(intensity, reached, marker, color=color, markersize=7, alpha=0.85)
    if not found:
        pyplot.close(figure)
        return None
    axes.set(xscale="log", yscale="log", xlabel="operations per byte of weights", ylabel="GOP/s")
    if limit := ceilings(results, threads):
        draw_ceilings(axes, *limit)
    # Room for the names at the bottom.
    axes.set_ylim(bottom=axes.get_ylim()[0] / 1.6)
    for name, place in groups(results, threads):
        axes.annotate(name, (place, 0.02), xycoords=("data", "axes fraction"), ha="center", color=GREY)
    legend(figure, axes, list(zip(MARKERS, results.models, strict=False)))
    axes.set_title(f"{results.machine['processor']}, {threads} thread{'s' * (threads > 1)}", fontsize=10)
    return figure


def draw_ceilings(axes: Axes, read: float, peak: float) -> None:
    """The slope of the memory and the level of the processor."""
    low, high = axes.get_xlim()
    ridge = peak / read
    high = max(high, ridge * 2)
    axes.plot([low / 1.2, ridge, high], [low / 1.2 * read, peak, peak], color=GREY, linewidth=1.2)
    above: dict[str, Any] = {"ha": "right", "va": "bottom", "textcoords": "offset points"}
    axes.annotate(f"int8 {peak:.0f} GOP/s", (high, peak), xytext=(0, 3), **above)
    axes.annotate(f"memory {read:.0f} GB/s", (ridge / 4, ridge / 4 * read), xytext=(-6, 6), **above)


def groups(results: Results, threads: int) -> Iterable[tuple[str, float]]:
    """Where on the axis each kind of pass lies: the middle of the models that were measured."""
    places: dict[str, list[float]] = {}
    for model, facts in results.models.items():
        for load_ in loads(model, threads):
            if any(results.values(load_.measure, engine) for engine in COLORS):
                places.setdefault(load_.name, []).append(load_.work(facts)[1])
    return [(name, median(values)) for name, values in places.items()]


def legend(figure: Figure, axes: Axes, models: list[tuple[str, str]]) -> None:
    """Engines by color, models by marker, below everything so that it hides nothing."""
    handles = [axes.plot([], [], "o", color=color, label=engine)[0] for engine, color in COLORS.items()]
    for marker, model in models:
        handles += axes.plot([], [], marker, color=GREY, markerfacecolor="none", label=model)
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=9)


def curves(
    results: Results, threads: int, measures: dict[str, list[tuple[float, Measure]]], scale: str, label: str, cost: bool
) -> Figure | None:
    """One panel for each shape and one line for each model and engine; `cost` shows ms for a token instead of tok/s."""
    drawn = {model: wanted for model, wanted in measures.items() if any(series(results, wanted, e) for e in COLORS)}
    if not drawn:
        return None
    shapes = list(dict.fromkeys(shape_of(model).name for model in drawn))
    marked = list(zip(MARKERS, drawn, strict=False))
    # Wide enough for the legend below.
    size = (max(7.5, 4.6 * len(shapes)), 4.2)
    figure, panels = pyplot.subplots(1, len(shapes), figsize=size, layout="constrained", squeeze=False)
    for axes, shape in zip(panels[0], shapes, strict=True):
        for marker, model in marked:
            if shape_of(model).name != shape:
                continue
            for engine, color in COLORS.items():
                found = series(results, drawn[model], engine)
                values = [1e3 / rate if cost else rate for _, rate in found]
                axes.plot([x for x, _ in found], values, marker=marker, color=color, markersize=5, linewidth=1.2)
        axes.set(xlabel=label, ylabel="ms per token" if cost else "tok/s, all rows", title=f"{shape}, {threads}T")
        if scale == "log2":
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:.0f}")
        axes.set_ylim(bottom=0)
    legend(figure, panels[0][0], marked)
    return figure


def series(results: Results, wanted: list[tuple[float, Measure]], engine: str) -> list[tuple[float, float]]:
    """The points that were measured."""
    found = [(x, results.values(measure, engine)) for x, measure in wanted]
    return [(x, median(rates)) for x, rates in found if rates]


def points(axis: Iterable[int], suite: Iterable[Row]) -> list[tuple[float, Measure]]:
    return [(x, row.measure) for x, row in zip(axis, suite, strict=True)]


def pictures(results: Results) -> Iterable[tuple[str, Figure | None]]:
    """Every picture by name; those without data are none."""
    for threads in sorted({run.job.threads for run in results.runs}):
        depths, counts = (
            {model: points(axis, suite(model, threads)) for model in results.models}
            for axis, suite in ((CONTEXTS, context), (ROWS, rows))
        )
        yield f"roofline-{threads}t", roofline(results, threads)
        yield f"context-{threads}t", curves(results, threads, depths, "", "tokens in the context", True)
        yield f"rows-{threads}t", curves(results, threads, counts, "log2", "rows of a pass", False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", help="raw numbers of compare.py")
    parser.add_argument("--output", type=Path, default=Path("."), help="folder of the pictures")
    parser.add_argument("--format", default="svg", choices=["svg", "png"])
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    with pyplot.rc_context(STYLE):
        for name, figure in pictures(load(args.results)):
            if figure:
                path = args.output / f"{name}.{args.format}"
                figure.savefig(path, metadata={"Date": None} if args.format == "svg" else None)
                pyplot.close(figure)
                print(path)


if __name__ == "__main__":
    main()
