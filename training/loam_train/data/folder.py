"""Opening a data folder, or a single listing that is split into train, valid and test."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from . import description, listing
from .description import Description, Motion
from .example import Example, Split
from .files import ARRAY_ERRORS

SPLITS = ("train", "valid", "test")
MAX_RECORDINGS = 1 << 32
"""Values of an `.npz` file's array: 16 GB in fp32."""


@dataclass(frozen=True)
class DataFolder:
    """A data set of one task."""

    path: Path
    description: Description
    motion: Motion | None
    splits: dict[str, Split]
    """Those that are there, by name."""

    @property
    def name(self) -> str:
        """As the set calls itself, else its directory's or file's name."""
        return self.description.name or self.path.resolve().stem

    def split(self, name: str) -> Split:
        """The split, empty where the folder has none of that name."""
        return self.splits.get(name, Split(self.path))

    def examples(self) -> Iterable[Example]:
        """Of all splits."""
        return (example for split in self.splits.values() for example in split.examples)

    @property
    def labels(self) -> list[str]:
        """Classes in the order of a head's outputs: as described, else sorted."""
        found = {example.label for example in self.examples() if example.label is not None}
        return list(self.description.labels) or sorted(found)

    @property
    def task(self) -> str:
        """As described, else by what the rows hold."""
        if self.description.task:
            return self.description.task
        first = next(iter(self.examples()))
        if first.tags:
            return "tag"
        if first.label is not None:
            return "classify"
        if first.modality == "sound" and first.text is None:
            return "transcribe"
        return "answer" if first.modality == "image" else "generate"


def open_data(path: Path) -> DataFolder:
    """Reads all rows; pictures, sounds and recordings are looked for but not opened.

    Raises:
        InputError: naming the file, the row and the value.
    """
    if path.is_dir():
        found, motion = description.read(path)
        splits = {name: split for name in SPLITS if (split := _split(path, name, found)) is not None}
        if not splits:
            raise InputError(
                path, "no train, valid or test in it: expected train.jsonl, train.csv, train/ or train.npz"
            )
        data = DataFolder(path, found, motion, splits)
    elif path.suffix.lower() in (".csv", ".jsonl"):
        data = DataFolder(path, Description(), None, _divided(path))
    else:
        raise InputError(
            path, "expected a folder, or a .csv or .jsonl file" if path.exists() else "there is no such file"
        )
    _check(data)
    return data


def _split(folder: Path, name: str, found: Description) -> Split | None:
    listings = [folder / f"{name}.jsonl", folder / f"{name}.csv"]
    listings += [folder / name / "metadata.jsonl", folder / name / "metadata.csv"]
    present = [path for path in listings if path.exists()]
    recordings, classes = folder / f"{name}.npz", folder / name
    if recordings.exists():
        present.append(recordings)
    if len(present) > 1:
        raise InputError(folder, f"{name} is there as {' and as '.join(str(p.relative_to(folder)) for p in present)}")
    if recordings in present:
        return Split(recordings, tuple(_recordings(recordings, found)))
    if present:
        return Split(present[0], tuple(listing.read(present[0], present[0].parent)))
    return Split(classes, tuple(_classes(classes))) if classes.is_dir() else None


def _classes(folder: Path) -> Iterable[Example]:
    """A directory for each class; what begins with a dot is no data."""
    base, count = folder.resolve(), 0
    for directory in sorted(folder.iterdir()):
        if directory.name.startswith("."):
            continue
        if not directory.is_dir():
            raise InputError(directory, "expected a directory for each class, or metadata.jsonl")
        for file in sorted(directory.iterdir()):
            if file.name.startswith("."):
                continue
            name, count = f"{directory.name}/{file.name}", count + 1
            if count > listing.MAX_ROWS:
                raise InputError(folder, f"more than {listing.MAX_ROWS} files")
            yield Example(name, file=listing.inside(folder, base, name, name), label=directory.name)


def _recordings(path: Path, found: Description) -> Iterable[Example]:
    if not found.labels:
        raise InputError(path, f"its y are indexes of labels, which {description.NAME} has to name")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            x, y = _header(path, arrays, "x"), arrays["y"]
    except ARRAY_ERRORS as error:
        raise InputError(path, f"no arrays can be read from it: {type(error).__name__}") from error
    if len(x) != 3 or np.prod([float(side) for side in x]) > MAX_RECORDINGS:
        raise InputError(path, f"x has shape {x}, expected [recordings, steps, channels]")
    if y.shape != x[:1] or y.dtype.kind not in "iu":
        raise InputError(path, f"y has shape {y.shape} of {y.dtype}, expected {x[:1]} of int64")
    for index, label in enumerate(y.tolist()):
        if not 0 <= label < len(found.labels):
            raise InputError(path, f"row {index}: y is {label}, labels has {len(found.labels)}")
        yield Example(f"row {index}", file=path, index=index, label=found.labels[label])


def _header(path: Path, arrays: np.lib.npyio.NpzFile, name: str) -> tuple[int, ...]:
    """Shape of an array, without reading its values."""
    if arrays.zip is None:
        raise InputError(path, "expected an archive of arrays")
    with arrays.zip.open(f"{name}.npy") as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(stream)
    if kind.kind != "f":
        raise InputError(path, f"{name} is of {kind}, expected float16, float32 or float64")
    return tuple(int(side) for side in shape)


def _divided(path: Path) -> dict[str, Split]:
    """A single file's rows by the SHA-256 of their content: a row stays where it is when others come."""
    parts: dict[str, list[Example]] = {name: [] for name in SPLITS}
    for example in listing.read(path, path.parent):
        parts[part(example, path.parent.resolve())].append(example)
    return {name: Split(path, tuple(examples)) for name, examples in parts.items()}


def part(example: Example, base: Path) -> str:
    """`test` for two tenths, `valid` for one, `train` for the rest, by the text, or the file's name where there is none."""
    name = "" if example.file is None else example.file.relative_to(base).as_posix()
    digest = hashlib.sha256((example.prompt or name).encode()).digest()
    tenth = int.from_bytes(digest[:8], "big") % 10
    return "test" if tenth < 2 else "valid" if tenth == 2 else "train"


def _check(data: DataFolder) -> None:
    """Rows of one kind, of classes that are known."""
    first: Example | None = None
    labels = set(data.description.labels)
    for split in data.splits.values():
        for example in split.examples:
            first = first or example
            if (example.label is None) != (first.label is None):
                raise InputError(split.path, f"{example.where}: some rows have a label, others an output")
            if bool(example.tags) != bool(first.tags):
                raise InputError(split.path, f"{example.where}: some rows have tags, others have none")
            if example.modality != first.modality:
                reason = f"{example.where} is {example.modality}, {first.where} {first.modality}; expected one kind"
                raise InputError(split.path, reason)
            if labels and example.label is not None and example.label not in labels:
                raise InputError(split.path, f"{example.where}: label is {example.label!r}, which labels does not name")
    if first is None:
        raise InputError(data.path, "no rows")
    wanted = data.description.task
    kind = "tag" if first.tags else "classify" if first.label is not None else ""
    if wanted and kind != (wanted if wanted in ("tag", "classify") else ""):
        target = {"tag": "tags", "classify": "a label"}.get(kind, "an output")
        raise InputError(data.path / description.NAME, f"task is {wanted!r}, the rows have {target}")
