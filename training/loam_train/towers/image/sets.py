"""Sets of pictures: grey arrays, archives of files with labels, and archives with questions about their pictures."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import zstandard
from PIL import Image, UnidentifiedImageError

from ...errors import InputError
from ..data import Split, TowerSet, groups, read_meta, strings, within, words
from ..run import Source

Pixels = npt.NDArray[np.uint8]

MAX_ARCHIVE = 1 << 30
"""Bytes of an unpacked archive."""
MAX_SIDE = 4096
"""Of a picture in a set, in pixels."""


def load(source: Source, side: int, root: Path) -> TowerSet:
    """Reads one set; pictures become RGB of `side` by `side`, as Pillow's bicubic filter makes them.

    Raises:
        InputError: naming the file, the row, and its value.
    """
    folder = root / source.folder
    meta_path = folder / "meta.json"
    meta = read_meta(meta_path)
    if (folder / "data.npz").exists():
        found = _arrays(folder / "data.npz")
        classes = strings(meta, "classes", meta_path)
    else:
        listed = list(_listing(folder / "manifest.jsonl.zst"))
        files = _files(folder / "images.tar.zst")
        if listed and "question" in listed[0]:
            found, classes = _asked(listed, files, folder)
        else:
            # Sets whose meta.json names no classes number them.
            numbers = [str(label) for label in range(len(source.labels))]
            classes = strings(meta, "classes", meta_path) if "classes" in meta else numbers
            found = _labelled(listed, files, folder)
    labels = words(source, classes, meta_path)
    parts = {}
    for part in ("train", "test"):
        pictures, indexes = found[part]
        within(folder, f"label of {part}", indexes, 0, len(classes) - 1)
        inputs = torch.from_numpy(np.stack([prepared(picture, side) for picture in pictures]))
        mirror = torch.full((len(inputs),), source.mirror)
        raw = pictures if part == "test" else []
        parts[part] = Split(inputs, mirror, torch.from_numpy(indexes.astype(np.int64)), raw)
    return TowerSet(source, labels, groups(source, classes), parts["train"], parts["test"])


def prepared(picture: Pixels, side: int) -> Pixels:
    """`[3, side, side]` of a picture `[height, width]` or `[height, width, 3]`."""
    image = Image.fromarray(picture)
    image = image.resize((side, side), Image.Resampling.BICUBIC) if image.size != (side, side) else image
    return np.ascontiguousarray(np.asarray(image.convert("RGB")).transpose(2, 0, 1))


Found = dict[str, tuple[list[Pixels], npt.NDArray[np.int64]]]


def _arrays(path: Path) -> Found:
    found: Found = {}
    try:
        with np.load(path, allow_pickle=False) as archive:
            for part in ("train", "test"):
                x, y = archive[f"x_{part}"], archive[f"y_{part}"]
                if x.ndim != 3 or x.dtype != np.uint8 or y.shape != (len(x),):
                    shape = f"{list(x.shape)} of {x.dtype}, y_{part} {list(y.shape)}"
                    raise InputError(path, f"x_{part} has shape {shape}, expected [N, height, width] of uint8 and [N]")
                found[part] = (list(x), y.astype(np.int64))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(path, str(error)) from error
    return found


def _unpacked(path: Path) -> bytes:
    try:
        with path.open("rb") as packed:
            content = zstandard.ZstdDecompressor().stream_reader(packed).read(MAX_ARCHIVE + 1)
    except OSError as error:
        raise InputError(path, error.strerror or str(error)) from error
    except zstandard.ZstdError as error:
        raise InputError(path, str(error)) from error
    if len(content) > MAX_ARCHIVE:
        raise InputError(path, f"it unpacks to more than {MAX_ARCHIVE} bytes")
    return content


def _listing(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(_unpacked(path).splitlines(), 1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(path, f"line {number}: {error}") from error
        if not isinstance(row, dict) or not isinstance(row.get("file"), str) or "split" not in row:
            raise InputError(path, f"line {number} is {line[:80]!r}, expected an object with file and split")
        yield row


def _files(path: Path) -> dict[str, Pixels]:
    """All pictures of an archive, RGB or grey, by name."""
    found: dict[str, Pixels] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(_unpacked(path))) as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                if content is None:
                    continue
                name = member.name.removeprefix("./")
                with Image.open(content) as image:
                    if max(image.size) > MAX_SIDE:
                        raise InputError(path, f"{name} has {image.size} pixels, at most {MAX_SIDE} a side")
                    found[name] = np.asarray(image.convert("RGB"))
    except (tarfile.TarError, UnidentifiedImageError, OSError) as error:
        raise InputError(path, str(error)) from error
    return found


def _picture(row: dict[str, Any], files: dict[str, Pixels], folder: Path) -> Pixels:
    if row["file"] not in files:
        raise InputError(folder, f"{row['file']} is in the manifest and not in the archive")
    return files[row["file"]]


def _labelled(listed: list[dict[str, Any]], files: dict[str, Pixels], folder: Path) -> Found:
    found: Found = {}
    for part in ("train", "test"):
        rows = [row for row in listed if row["split"] == part]
        if not rows:
            raise InputError(folder, f"the manifest has no row of split {part!r}")
        wrong = next((row for row in rows if type(row.get("label")) is not int), None)
        if wrong is not None:
            raise InputError(folder, f"label of {wrong['file']} is {wrong.get('label')!r}, expected an index")
        found[part] = ([_picture(row, files, folder) for row in rows], np.array([row["label"] for row in rows]))
    return found


COLOURS = ("black", "blue", "brown", "gray", "green", "red", "teal", "yellow")
SHAPES = ("circle", "rectangle", "triangle")


def _asked(listed: list[dict[str, Any]], files: dict[str, Pixels], folder: Path) -> tuple[Found, list[str]]:
    """Pictures of one coloured shape, as far as the questions and answers about one tell both."""
    classes = [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES]
    told: dict[tuple[str, str], dict[str, str]] = {}
    for row in listed:
        seen = told.setdefault((row["split"], row["file"]), {})
        words, answer = row["question"].rstrip("?").split(), row["answer"]
        # A question that names a colour or shape and asks for the other takes what it names for granted.
        named = [word for word in words if word in COLOURS or word in SHAPES]
        if answer in COLOURS or answer in SHAPES:
            named = [*named, answer]
        elif (answer == "yes") == ("no" in words or "not" in words):
            continue
        for word in named:
            seen["colour" if word in COLOURS else "shape"] = word
    found: Found = {}
    for part in ("train", "test"):
        whole = [(file, seen) for (split, file), seen in told.items() if split == part and len(seen) == 2]
        pictures = [_picture({"file": file}, files, folder) for file, _ in whole]
        indexes = [classes.index(f"{seen['colour']} {seen['shape']}") for _, seen in whole]
        found[part] = (pictures, np.array(indexes))
    return found, classes
