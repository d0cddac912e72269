"""Sets of pictures: grey arrays, archives of files with labels, and archives with questions about their pictures."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from ... import reading
from ...errors import InputError
from ..data import Split, TowerSet, groups, read_meta, strings, within, words
from ..run import Source

Pixels = npt.NDArray[np.uint8]

MAX_SIDE = 4096
"""Of a picture in a set, in pixels."""
MAX_PIXELS = 1 << 30
"""Of all pictures in an archive together: 3 GiB."""
_FORMATS = ("JPEG", "PNG")


def load(source: Source, side: int, root: Path) -> TowerSet:
    """Reads one set; pictures become RGB of `side` by `side`, as Pillow's bicubic filter makes them.

    Raises:
        InputError: naming the file, the row, and its value.
    """
    folder = root / source.folder
    meta_path = folder / "meta.json"
    meta = read_meta(meta_path)
    # What names the class of each picture.
    listing = folder / "data.npz"
    if listing.exists():
        found = _arrays(listing)
        classes = strings(meta, "classes", meta_path)
    else:
        listing = folder / "manifest.jsonl.zst"
        listed = reading.listing(reading.unpacked(listing, reading.MAX_LISTING), listing)
        pictures = _pictures(folder / "images.tar.zst", {row["file"] for row in listed})
        if listed and "question" in listed[0]:
            classes = [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES]
            found = _asked(listed, pictures, classes, listing)
        else:
            # Sets whose meta.json names no classes number them.
            numbers = [str(label) for label in range(len(source.labels))]
            classes = strings(meta, "classes", meta_path) if "classes" in meta else numbers
            found = {part: _labelled(reading.rows_of(listed, part, listing), pictures) for part in ("train", "test")}
    labels = words(source, classes, meta_path)
    parts = {}
    for part in ("train", "test"):
        raw, indexes = found[part]
        within(listing, f"label of {part}", indexes, 0, len(classes) - 1)
        inputs = torch.from_numpy(np.stack([prepared(picture, side) for picture in raw]))
        mirror = torch.full((len(inputs),), source.mirror)
        raw = raw if part == "test" else []
        parts[part] = Split(inputs, mirror, torch.from_numpy(indexes.astype(np.int64)), raw)
    return TowerSet(source, labels, groups(source, classes), parts["train"], parts["test"])


def prepared(picture: Pixels, side: int) -> Pixels:
    """`[3, side, side]` of a picture `[height, width]` or `[height, width, 3]`."""
    image = Image.fromarray(picture)
    image = image.resize((side, side), Image.Resampling.BICUBIC) if image.size != (side, side) else image
    return np.ascontiguousarray(np.asarray(image.convert("RGB")).transpose(2, 0, 1))


Found = dict[str, tuple[list[Pixels], npt.NDArray[np.int64]]]


def _arrays(path: Path) -> Found:
    arrays = reading.arrays(path, [f"{name}_{part}" for name in ("x", "y") for part in ("train", "test")])
    found: Found = {}
    for part in ("train", "test"):
        x = reading.array(arrays, f"x_{part}", "u", "N, height, width", path)
        y = reading.array(arrays, f"y_{part}", "iu", "N", path)
        if x.dtype != np.uint8 or max(x.shape[1:]) > MAX_SIDE or len(y) != len(x):
            shape = f"{list(x.shape)} of {x.dtype} and y_{part} {list(y.shape)}"
            reason = f"x_{part} is {shape}, expected [N, height, width] of uint8, at most {MAX_SIDE} a side, and [N]"
            raise InputError(path, reason)
        found[part] = (list(x), y.astype(np.int64))
    return found


def _pictures(path: Path, wanted: set[str]) -> dict[str, Pixels]:
    """The wanted pictures of an archive, RGB, by name.

    Raises:
        InputError: naming the file in the archive; also for wanted ones that are not there.
    """
    found: dict[str, Pixels] = {}
    pixels = 0
    for name, content in reading.members(path):
        if name in wanted:
            found[name] = _decoded(content, name, path)
            pixels += found[name].size // 3
            if pixels > MAX_PIXELS:
                raise InputError(path, f"its pictures have more than {MAX_PIXELS} pixels, reached at {name}")
    missing = min(wanted - found.keys(), default=None)
    if missing is not None:
        raise InputError(path, f"{missing} is in the manifest and not in the archive")
    return found


def _decoded(content: bytes, name: str, path: Path) -> Pixels:
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            # Opening reads the header alone; pixels are unpacked by what follows.
            if max(image.size) > MAX_SIDE:
                size = f"{image.width} by {image.height}"
                raise InputError(path, f"{name} has {size} pixels, at most {MAX_SIDE} a side")
            return np.asarray(image.convert("RGB"))
    except Image.DecompressionBombError as error:
        raise InputError(path, f"{name} has too many pixels, at most {MAX_SIDE} a side") from error
    except (OSError, ValueError, SyntaxError, struct.error) as error:
        raise InputError(path, f"{name} is no picture that can be read, JPEG or PNG ({error})") from error


def _labelled(rows: list[dict[str, Any]], pictures: dict[str, Pixels]) -> tuple[list[Pixels], npt.NDArray[np.int64]]:
    return [pictures[row["file"]] for row in rows], np.array([row["label"] for row in rows])


COLOURS = ("black", "blue", "brown", "gray", "green", "red", "teal", "yellow")
SHAPES = ("circle", "rectangle", "triangle")


def _asked(listed: list[dict[str, Any]], pictures: dict[str, Pixels], classes: list[str], path: Path) -> Found:
    """Pictures of one coloured shape, as far as the questions and answers about one tell both."""
    told: dict[tuple[str, str], dict[str, str]] = {}
    for number, row in enumerate(listed, 1):
        for field in ("question", "answer"):
            if not isinstance(row.get(field), str):
                raise InputError(path, f"line {number}: {field} is {row.get(field)!r}, expected a string")
        seen = told.setdefault((row["split"], row["file"]), {})
        asked, answer = row["question"].rstrip("?").split(), row["answer"]
        # A question that names a colour or shape and asks for the other takes what it names for granted.
        named = [word for word in asked if word in COLOURS or word in SHAPES]
        if answer in COLOURS or answer in SHAPES:
            named = [*named, answer]
        elif (answer == "yes") == ("no" in asked or "not" in asked):
            continue
        for word in named:
            seen["colour" if word in COLOURS else "shape"] = word
    found: Found = {}
    for part in ("train", "test"):
        whole = [(file, seen) for (split, file), seen in told.items() if split == part and len(seen) == 2]
        if not whole:
            raise InputError(path, f"no picture of split {part!r} has questions that tell its colour and its shape")
        indexes = [classes.index(f"{seen['colour']} {seen['shape']}") for _, seen in whole]
        found[part] = ([pictures[file] for file, _ in whole], np.array(indexes))
    return found
