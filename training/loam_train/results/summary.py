"""What adapters and models of a task's own take, as JSON for `loam tour`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .row import Row, Score


def write(path: Path, rows: Sequence[Row]) -> None:
    """Writes the tasks that have both a shipped adapter and a baseline."""
    tasks = [
        {
            "name": row.task.name,
            "title": row.task.title,
            "adapter": _model(row.adapter),
            "baseline": _model(row.baseline),
        }
        for row in rows
        if row.adapter is not None and row.baseline is not None and not row.task.adapter.startswith("cache:")
    ]
    path.write_text(json.dumps({"tasks": tasks}, indent=1) + "\n", encoding="utf-8")


def _model(score: Score) -> dict[str, Any]:
    return {"bytes": score.bytes, "score": score.value, "ms": score.latency}
