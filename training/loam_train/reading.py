"""Files of data sets, read within bounds; errors name the file and what is wrong in it."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard

from .errors import InputError

MAX_ARRAY = 1 << 31
"""Bytes of one array of an archive, unpacked."""
MAX_ARCHIVE = 1 << 30
"""Bytes of an unpacked archive of files."""
MAX_LISTING = 1 << 28
"""Bytes of a manifest: a few hundred for each of a million rows."""
_PORTION = 1 << 12
"""Packed bytes that are unpacked at once: a block of 4 bytes may hold 128 KiB."""


def content(path: Path, most: int = MAX_LISTING) -> bytes:
    """The whole file."""
    try:
        with path.open("rb") as file:
            found = file.read(most + 1)
    except OSError as error:
        raise InputError(path, error.strerror or str(error)) from error
    if len(found) > most:
        raise InputError(path, f"it has more than {most} bytes")
    return found


def unpacked(path: Path, most: int) -> bytes:
    """The whole content of a Zstandard file, at most `most` bytes."""
    parts: list[bytes] = []
    size, unpacker = 0, zstandard.ZstdDecompressor().decompressobj()
    try:
        with path.open("rb") as packed:
            while not unpacker.eof and (portion := packed.read(_PORTION)):
                parts.append(unpacker.decompress(portion))
                size += len(parts[-1])
                if size > most:
                    raise InputError(path, f"it unpacks to more than {most} bytes")
    except OSError as error:
        raise InputError(path, error.strerror or str(error)) from error
    except zstandard.ZstdError as error:
        raise InputError(path, str(error)) from error
    if not unpacker.eof:
        raise InputError(path, "it ends before its content does")
    return b"".join(parts)


def stored(path: Path, most: int) -> bytes:
    """The whole content of a file, unpacked where its name ends in `.zst`."""
    return unpacked(path, most) if path.suffix == ".zst" else content(path, most)


def members(path: Path) -> Iterator[tuple[str, bytes]]:
    """The plain files of a tar archive: names without a leading `./`, and bytes."""
    try:
        with tarfile.open(fileobj=io.BytesIO(stored(path, MAX_ARCHIVE)), mode="r:") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                if file is not None:
                    yield member.name.removeprefix("./"), file.read()
    except (tarfile.TarError, OSError, ValueError) as error:
        raise InputError(path, str(error)) from error


def json_object(text: bytes, path: Path, where: str = "it") -> dict[str, Any]:
    """A JSON object; `where` says which part of the file the text is."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(path, f"{where} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise InputError(path, f"{where} is {text[:80].decode(errors='replace')!r}, expected an object")
    return found


def listing(text: bytes, path: Path) -> list[dict[str, Any]]:
    """Rows of a manifest; each names its `file` and `split`."""
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        row = json_object(line, path, f"line {number}")
        for field in ("file", "split"):
            if not isinstance(row.get(field), str):
                raise InputError(path, f"line {number}: {field} is {row.get(field)!r}, expected a string")
        rows.append(row)
    return rows


def rows_of(rows: list[dict[str, Any]], part: str, path: Path) -> list[dict[str, Any]]:
    """Rows of one split, each with an index as its `label`."""
    found = [row for row in rows if row["split"] == part]
    if not found:
        raise InputError(path, f"it has no row of split {part!r}")
    for row in found:
        # Python's own True is an int and would be a class.
        if type(row.get("label")) is not int:
            raise InputError(path, f"label of {row['file']} is {row.get('label')!r}, expected an index")
    return found


def arrays(path: Path, names: Iterable[str]) -> dict[str, npt.NDArray[Any]]:
    """Those of the named arrays that an `.npz` has; none of them holds Python objects."""
    found: dict[str, npt.NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            for name in names:
                if name not in members:
                    continue
                if members[name].file_size > MAX_ARRAY:
                    raise InputError(path, f"{name} has {members[name].file_size} bytes, at most {MAX_ARRAY}")
                with archive.open(members[name]) as member:
                    found[name] = np.lib.format.read_array(member, allow_pickle=False)
    except (OSError, ValueError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(path, str(error) or type(error).__name__) from error
    return found


def array(found: dict[str, npt.NDArray[Any]], name: str, kinds: str, shape: str, path: Path) -> npt.NDArray[Any]:
    """One of `arrays`, of a numpy kind among `kinds` and with as many axes as `shape`, such as "N, height, width", has."""
    if name not in found:
        raise InputError(path, f"{name} is missing")
    values = found[name]
    wanted = " or ".join({"f": "float", "i": "int", "u": "uint"}[kind] for kind in kinds)
    if values.dtype.kind not in kinds or values.ndim != shape.count(",") + 1 or not values.size:
        reason = f"{name} is {values.dtype} {list(values.shape)}, expected {wanted} [{shape}], not empty"
        raise InputError(path, reason)
    return values
