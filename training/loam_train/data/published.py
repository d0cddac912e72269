"""Public sets as data folders: what `folders` writes, and how a set is declared."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError

Row = dict[str, Any]
Rows = Callable[[Path, str], Iterator[Row]]
"""From the set's directory and the name of a split to the rows of a data folder; none where it has no such split."""


@dataclass(frozen=True)
class Published:
    """A set of text and how its rows are made."""

    folder: str
    """Below the data sets' root."""
    task: str
    licence: str
    source: str
    rows: Rows
    template: str = ""
    instructions: str = ""
    label_texts: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, root: Path, out: Path) -> dict[str, int]:
        """Writes the folder `out` and gives the count of rows of each split.

        Raises:
            InputError: for a set that is not under `root`.
        """
        origin = place_of(root, self.folder)
        out.mkdir(parents=True, exist_ok=True)
        counts: dict[str, int] = {}
        labels: set[str] = set()
        for split in ("train", "valid", "test"):
            rows = list(self.rows(origin, split))
            if rows:
                lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
                (out / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
                counts[split] = len(rows)
                labels.update(row["label"] for row in rows if "label" in row)
        described: Row = {"schema": 1, "name": name, "task": self.task}
        described |= {"labels": sorted(labels)} if labels else {}
        told = {"label_texts": self.label_texts, "template": self.template, "instructions": self.instructions}
        described |= {key: value for key, value in told.items() if value}
        described |= {"licence": self.licence, "source": self.source}
        (out / "data.json").write_text(json.dumps(described, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        return counts


def place_of(root: Path, folder: str) -> Path:
    """The directory of a set.

    Raises:
        InputError: for one that is not there.
    """
    origin = root / folder
    if not origin.is_dir():
        raise InputError(origin, "there is no such data set")
    return origin


def rows(folder: Path, split: str) -> list[Row]:
    """The objects of `SPLIT.jsonl.zst`, none where there is no such file."""
    import zstandard

    path = folder / f"{split}.jsonl.zst"
    if not path.exists():
        return []
    with zstandard.open(path, "rb") as stream:
        return [json.loads(line) for line in io.TextIOWrapper(stream, "utf-8")]


def meta(folder: Path) -> Row:
    """The set's `meta.json`."""
    content: Row = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    return content
