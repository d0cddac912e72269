"""The loss of a run as a picture."""

from __future__ import annotations

from pathlib import Path

import matplotlib

# The backend has to be chosen first.
matplotlib.use("Agg")
from matplotlib import pyplot


def draw(losses: list[float], title: str, path: Path) -> None:
    """Each step, and the mean of as many as make fifty points."""
    window = max(1, len(losses) // 50)
    ends = range(window, len(losses) + 1, window)
    figure, axes = pyplot.subplots(figsize=(6, 3.2), layout="constrained")
    axes.plot(range(1, len(losses) + 1), losses, color="#b8c4b0", linewidth=0.6, label="step")
    means = [sum(losses[end - window : end]) / window for end in ends]
    axes.plot(list(ends), means, color="#3f6b35", linewidth=1.8, label=f"mean of {window}")
    axes.set(title=title, xlabel="step", ylabel="nats", ylim=(0, None))
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
