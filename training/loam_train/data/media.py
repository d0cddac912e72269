"""The sets of pictures, sound and motion: from the forms that they are published in to data folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from .. import reading
from ..errors import InputError
from ..held import held
from .published import Row, meta, place_of

SPLITS = ("train", "test")
"""As they are published; `valid` is what a tower's run keeps back of the first."""
Fields = Callable[[Row, list[str]], Row | None]
"""From a manifest's row and the set's class names to the row of a data folder, without its file; `None` leaves it out."""


def labelled(row: Row, classes: list[str]) -> Row | None:
    """The class of a row by its index."""
    return {"label": classes[row["label"]]}


def asked(row: Row, classes: list[str]) -> Row | None:
    """A question about a picture."""
    return {"text": row["question"], "output": row["answer"]}


def described(row: Row, classes: list[str]) -> Row | None:
    """A picture and what several people said of it, in the words in which the engine asks for a caption."""
    return {"text": "Describe this image in one sentence.", "outputs": [told.strip() for told in row["captions"]]}


def told(row: Row, classes: list[str]) -> Row | None:
    """A picture and what several people said of it."""
    return {"outputs": [text.strip() for text in row["captions"]]}


def spoken(row: Row, classes: list[str]) -> Row | None:
    """What is said."""
    return {"output": row["text"]}


@dataclass(frozen=True)
class Media:
    """A set of files."""

    folder: str
    """Below the data sets' root."""
    task: str
    licence: str
    source: str
    names: dict[str, str] = field(default_factory=dict)
    """The names of classes here, by those of the set; empty where they stay."""
    texts: dict[str, str] = field(default_factory=dict)
    """The words for each class here, for zero-shot."""
    template: str = ""
    instructions: str = ""
    """The system message that answers are trained with."""
    fields: Fields = labelled
    hold: float = 0.0
    """Share of the origins whose training rows the tower did not see: they become `valid`."""

    def write(self, name: str, root: Path, out: Path) -> dict[str, int]:
        """Writes the folder `out` and gives the count of rows of each split.

        Raises:
            InputError: for a set that is not under `root`, or is damaged.
        """
        origin = place_of(root, self.folder)
        out.mkdir(parents=True, exist_ok=True)
        motion: dict[str, Any] = {}
        classes = self._classes(origin)
        if (origin / "data.npz").exists():
            with np.load(origin / "data.npz", allow_pickle=False) as arrays:
                stored = dict(arrays)
            if stored["x_train"].dtype == np.uint8:
                counts = _pictures(self._divided(stored), classes, out)
            else:
                counts = _recordings(self._divided(stored), classes, out)
                motion = {"motion": _motion(origin)}
        else:
            counts = self._files(origin, classes, out)
        described: Row = {"schema": 1, "name": name, "task": self.task}
        if self.task == "classify":
            described["labels"] = list(dict.fromkeys(classes))
        told = {"label_texts": self.texts, "template": self.template, "instructions": self.instructions}
        described |= {key: value for key, value in told.items() if value} | motion
        described |= {"licence": self.licence, "source": self.source}
        (out / "data.json").write_text(json.dumps(described, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        return counts

    def _classes(self, origin: Path) -> list[str]:
        """By index: several may have one name here."""
        found = meta(origin).get("classes", list(self.names))
        return [self.names.get(name, name) for name in found]

    def _files(self, origin: Path, classes: list[str], out: Path) -> dict[str, int]:
        packed = next(origin / name for name in ("images.tar.zst", "audio.tar") if (origin / name).exists())
        manifest = next(origin / name for name in ("manifest.jsonl.zst", "manifest.jsonl") if (origin / name).exists())
        listed = list(reading.listing(reading.stored(manifest, reading.MAX_LISTING), manifest))
        # Towers number the rows of a part, see `TowerSet.holding`.
        learned = [row for row in listed if row["split"] == "train"]
        for row, back in zip(learned, held([str(i) for i in range(len(learned))], self.hold), strict=True):
            row["split"] = "valid" if back else "train"
        rows: dict[str, list[Row]] = {split: [] for split in (*SPLITS, *(["valid"] if self.hold else []))}
        where: dict[str, set[str]] = {}
        for row in listed:
            made = self.fields(row, classes) if row["split"] in rows else None
            if made is not None:
                rows[row["split"]].append({"file_name": _flat(row["file"]), **made})
                where.setdefault(row["file"], set()).add(row["split"])
        for split in rows:
            (out / split).mkdir(exist_ok=True)
        for file, content in reading.members(packed):
            for split in where.pop(file, ()):
                (out / split / _flat(file)).write_bytes(content)
        if where:
            raise InputError(manifest, f"{next(iter(where))} is not in {packed.name}")
        for split, those in rows.items():
            _listing(out / split / "metadata.jsonl", those)
        return {split: len(those) for split, those in rows.items()}

    def _divided(self, stored: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
        """From each split to its arrays by their first names."""
        parts = {
            split: {name.removesuffix(f"_{split}"): rows for name, rows in stored.items() if name.endswith(f"_{split}")}
            for split in SPLITS
        }
        if self.hold:
            whole = parts["train"]
            origins = whole.get("subject", np.arange(len(whole["y"])))
            back = held([str(origin) for origin in origins.tolist()], self.hold)
            if len(set(origins[back].tolist())) < 2:
                # One person says nothing of people: an adapter does better to learn from those rows.
                return parts
            for split, mask in (("train", ~back), ("valid", back)):
                parts[split] = {name: rows[mask] for name, rows in whole.items()}
        return parts


def _flat(name: str) -> str:
    return PurePosixPath(name).name


def _listing(path: Path, rows: list[Row]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _recordings(parts: dict[str, dict[str, np.ndarray]], classes: list[str], out: Path) -> dict[str, int]:
    labels = list(dict.fromkeys(classes))
    index = np.array([labels.index(name) for name in classes])
    counts = {}
    for split, stored in parts.items():
        arrays = {"x": stored["x"], "y": index[stored["y"]]}
        if "length" in stored:
            arrays["length"] = stored["length"].astype(np.int64)
        np.savez_compressed(out / f"{split}.npz", allow_pickle=False, **arrays)
        counts[split] = len(arrays["y"])
    return counts


def _pictures(parts: dict[str, dict[str, np.ndarray]], classes: list[str], out: Path) -> dict[str, int]:
    counts = {}
    for split, stored in parts.items():
        folder = out / split
        folder.mkdir(exist_ok=True)
        rows = []
        for number, (pixels, label) in enumerate(zip(stored["x"], stored["y"], strict=True)):
            Image.fromarray(pixels).save(folder / f"{number:05}.png")
            rows.append({"file_name": f"{number:05}.png", "label": classes[label]})
        _listing(folder / "metadata.jsonl", rows)
        counts[split] = len(rows)
    return counts


def _motion(origin: Path) -> dict[str, Any]:
    """How the recordings were made, in the words of `data.json`. Sets have acceleration first, then rotation."""
    told = meta(origin)
    if [name.partition("_")[0] for name in told["channels"]] != ["acc"] * 3 + ["gyro"] * 3:
        raise InputError(origin / "meta.json", f"channels is {told['channels']}, expected acceleration, then rotation")
    return {"rate": float(told["hz"]), "acceleration": told["units"][0], "rotation": told["units"][3]}
