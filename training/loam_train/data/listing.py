"""Rows of a `.jsonl` or `.csv` listing, checked one by one; limits keep a hostile file from filling memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import InputError
from . import spans
from .example import IMAGES, SOUNDS, Example

MAX_BYTES = 1 << 30
"""Of a listing."""
MAX_ROWS = 2_000_000
MAX_ROW = 1 << 20
"""Bytes of a row; a text of a million characters is none that a phone's model reads."""
MAX_OUTPUTS = 64
MAX_WORDS = 4096

INPUTS = ("text", "text2", "file_name", "tokens")
TARGETS = ("label", "output", "outputs", "tags")
LISTS = ("outputs", "tokens", "tags")
IGNORED = ("id", "split", "speaker", "subject")
KNOWN = (*INPUTS, *TARGETS, *IGNORED)


def read(path: Path, base: Path) -> Iterator[Example]:
    """The rows of `path`; files that they name are relative to the directory `base` and stay inside it.

    Raises:
        InputError: naming the row and the field.
    """
    rows = _csv(path) if path.suffix.lower() == ".csv" else _jsonl(path)
    for number, (where, fields) in enumerate(rows):
        if number >= MAX_ROWS:
            raise InputError(path, f"more than {MAX_ROWS} rows")
        yield _example(path, base.resolve(), where, fields)


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InputError(path, f"{size} bytes, the limit is {MAX_BYTES}")
        return path.read_bytes()
    except OSError as error:
        raise InputError(path, error.strerror or str(error)) from error


def _jsonl(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(io.BytesIO(_content(path)), start=1):
        where = f"row {number}"
        if len(line) > MAX_ROW:
            raise InputError(path, f"{where} has {len(line)} bytes, the limit is {MAX_ROW}")
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except UnicodeDecodeError as error:
            raise InputError(path, f"{where} is not UTF-8: {error.reason} at byte {error.start}") from error
        except (json.JSONDecodeError, RecursionError) as error:
            raise InputError(path, f"{where} is no JSON object: {error}") from error
        if not isinstance(fields, dict):
            raise InputError(path, f"{where} is {_short(fields)}, expected a JSON object")
        yield where, {name: value for name, value in fields.items() if value is not None}


def _csv(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        # Spreadsheets write a mark in front.
        text = _content(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(path, f"not UTF-8: {error.reason} at byte {error.start}; save it as UTF-8") from error
    csv.field_size_limit(MAX_ROW)
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(lines, [])]
        repeated = sorted({name for name in header if header.count(name) > 1})
        if repeated:
            raise InputError(path, f"the header names {', '.join(repeated)} twice")
        listed = next((name for name in LISTS if name in header), None)
        if listed:
            hint = "'output' or a .jsonl file" if listed == "outputs" else "a .jsonl file"
            raise InputError(path, f"column {listed!r} is a list, which CSV has no form for; use {hint}")
        for number, cells in enumerate(lines, start=1):
            where = f"row {number} (line {lines.line_num})"
            if not cells:
                continue
            if len(cells) != len(header):
                raise InputError(path, f"{where} has {len(cells)} cells, the header {len(header)}")
            present = {
                name: cell for name, cell in zip(header, cells, strict=True) if cell or name in ("text", "label")
            }
            yield where, present
    except csv.Error as error:
        raise InputError(path, f"line {lines.line_num}: {error}") from error


def _example(path: Path, base: Path, where: str, fields: dict[str, Any]) -> Example:
    for name in fields:
        if name not in KNOWN:
            hint = "; columns are separated by commas" if ";" in name or "\t" in name else ""
            raise InputError(path, f"{where}: column {_short(name)} is unknown, known are {', '.join(KNOWN)}{hint}")
    words = {name: _words(path, where, name, fields[name]) for name in fields if name not in (*IGNORED, *LISTS)}
    if "tokens" in fields or "tags" in fields:
        return _tagged(path, where, fields, words)
    outputs = _outputs(path, where, fields["outputs"]) if "outputs" in fields else ()
    if "output" in words:
        if outputs:
            raise InputError(path, f"{where} has 'output' and 'outputs', expected one of them")
        outputs = (words["output"],)
    if ("label" in words) == bool(outputs):
        raise InputError(path, f"{where}: expected 'label', or 'output' or 'outputs', and only one of them")
    if "text2" in words and "text" not in words:
        raise InputError(path, f"{where} has 'text2' without 'text'")
    if "text" not in words and "file_name" not in words:
        raise InputError(path, f"{where} has neither 'text' nor 'file_name'")
    file = inside(path, base, where, words["file_name"]) if "file_name" in words else None
    return Example(where, words.get("text"), words.get("text2"), file, None, words.get("label"), outputs)


def _tagged(path: Path, where: str, fields: dict[str, Any], words: dict[str, str]) -> Example:
    """A row of words with a tag each, and perhaps a label."""
    other = next((name for name in fields if name not in ("tokens", "tags", "label", *IGNORED)), None)
    if other:
        raise InputError(path, f"{where} has {other!r}; beside 'tokens' and 'tags' there may be a 'label'")
    tokens, tags = (_list(path, where, name, fields.get(name), MAX_WORDS) for name in ("tokens", "tags"))
    if len(tokens) != len(tags):
        raise InputError(path, f"{where}: {len(tags)} tags for {len(tokens)} tokens")
    if parted := next((token for token in tokens if len(token.split()) != 1 or token.split()[0] != token), None):
        raise InputError(path, f"{where}: token {_short(parted)} has white space in it, which parts words")
    if odd := next((tag for tag in tags if not spans.is_tag(tag)), None):
        raise InputError(path, f"{where}: tag {_short(odd)}, expected O, B-NAME or I-NAME")
    return Example(where, " ".join(tokens), label=words.get("label"), tokens=tokens, tags=tags)


def _words(path: Path, where: str, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(path, f"{where}: {name} is {_short(value)}, expected a text in quotation marks")
    if not value.strip():
        raise InputError(path, f"{where}: {name} is empty")
    return value


def _outputs(path: Path, where: str, value: Any) -> tuple[str, ...]:
    return _list(path, where, "outputs", value, MAX_OUTPUTS)


def _list(path: Path, where: str, name: str, value: Any, most: int) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= most:
        raise InputError(path, f"{where}: {name} is {_short(value)}, expected a list of 1 to {most} texts")
    return tuple(_words(path, where, name, one) for one in value)


def inside(path: Path, base: Path, where: str, name: str) -> Path:
    """The file `name` in the resolved directory `base`.

    Raises:
        InputError: for a name that leads elsewhere, also by a link, for a kind that is not read, for no file.
    """
    relative = Path(name)
    if relative.is_absolute() or ".." in relative.parts or "\0" in name:
        raise InputError(path, f"{where}: file_name is {_short(name)}, expected a path inside the folder")
    if relative.suffix.lower() not in IMAGES | SOUNDS | {".csv"}:
        kinds = ", ".join(sorted(IMAGES | SOUNDS | {".csv"}))
        raise InputError(path, f"{where}: file_name is {_short(name)}, expected one of {kinds}")
    try:
        file = (base / relative).resolve()
    except (OSError, RuntimeError) as error:
        raise InputError(path, f"{where}: file_name is {_short(name)}: {error}") from error
    if not file.is_relative_to(base):
        raise InputError(path, f"{where}: file_name is {_short(name)}, a link that leaves the folder")
    if not file.is_file():
        raise InputError(path, f"{where}: file_name is {_short(name)}, but {file} is no file")
    return file


def _short(value: Any) -> str:
    """A value in a message, however long it is."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
