"""Published sets as they lie on disk: archives of files, and a list that says what each one holds."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zstandard

from .errors import InputError

MAX_BYTES = 1 << 30
"""Of an unpacked archive or list."""


def content(path: Path) -> bytes:
    """The bytes of a file, unpacked where its name ends in `.zst`.

    Raises:
        InputError: for a file that is missing, damaged or larger than a gibibyte.
    """
    try:
        with path.open("rb") as stored:
            source = zstandard.ZstdDecompressor().stream_reader(stored) if path.suffix == ".zst" else stored
            found = source.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(path, error.strerror or str(error)) from error
    except zstandard.ZstdError as error:
        raise InputError(path, str(error)) from error
    if len(found) > MAX_BYTES:
        raise InputError(path, f"it unpacks to more than {MAX_BYTES} bytes")
    return bytes(found)


def listing(path: Path) -> list[dict[str, Any]]:
    """The objects of a manifest, each with `file` and `split`.

    Raises:
        InputError: naming the line.
    """
    rows = []
    for number, line in enumerate(content(path).splitlines(), 1):
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise InputError(path, f"line {number}: {error}") from error
        if not isinstance(row, dict) or not isinstance(row.get("file"), str) or not isinstance(row.get("split"), str):
            raise InputError(path, f"line {number} is {line[:80]!r}, expected an object with file and split")
        rows.append(row)
    return rows


def members(path: Path) -> Iterator[tuple[str, bytes]]:
    """The plain files of a tar archive: names without a leading `./`, and bytes.

    Raises:
        InputError: for a damaged archive.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(content(path))) as archive:
            for member in archive:
                stored = archive.extractfile(member) if member.isfile() else None
                if stored is not None:
                    yield member.name.removeprefix("./"), stored.read()
    except tarfile.TarError as error:
        raise InputError(path, str(error)) from error
