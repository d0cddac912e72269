"""`loam eval` on a task, done once for the same package, data, foundation and binary."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..baseline import record
from ..errors import InputError

_BLOCK = 1 << 20
_LISTED = (".json", ".jsonl", ".csv", ".npz")
"""Hashed whole; of other files, of which there are many, name, size and time of change."""


@dataclass(frozen=True)
class Evaluator:
    """The command, the foundation that it opens, and where answers are kept."""

    loam: Path
    foundation: Path
    cache: Path

    def score(self, name: str, adapter: Path | None, data: Path, way: str, limit: int) -> dict[str, Any]:
        """What `loam eval --json` says of the test split; `way` is `with` or `without`.

        Raises:
            InputError: with what the command says, and for an answer that is of another kind.
        """
        more = ["--limit", str(limit)] if limit else []
        arguments = ["--split", "test", "--only", way, *more]
        key = self._key(adapter, data, arguments)
        path = self.cache / f"{name}.json"
        kept = record.read(path)
        if kept is not None and kept["key"] == key:
            found: dict[str, Any] = kept["answer"]
            return found
        given = "none" if adapter is None else str(adapter)
        command = [str(self.loam), "eval", given, "--data", str(data), "--model", str(self.foundation), "--json"]
        answer = _called([*command, *arguments], data)
        record.write(path, {"schema": record.SCHEMA, "key": key, "answer": answer})
        return answer

    def _key(self, adapter: Path | None, data: Path, arguments: Sequence[str]) -> str:
        parts = [*arguments, digest(self.loam), digest(self.foundation / "foundation.json"), rows_digest(data, "test")]
        parts.append("none" if adapter is None else digest(adapter))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def digest(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        InputError: for a file that cannot be read.
    """
    found = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                found.update(block)
    except OSError as error:
        raise InputError(path, error.strerror or str(error)) from error
    return found.hexdigest()


def rows_digest(path: Path, split: str) -> str:
    """Equal for the same rows of a split."""
    if not path.is_dir():
        return digest(path)
    found = []
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path).as_posix()
        if not file.is_file() or not name.startswith((split, "data.json")):
            continue
        told = file.stat()
        found.append(f"{name} {digest(file) if file.suffix in _LISTED else (told.st_size, told.st_mtime_ns)}")
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


def _called(command: list[str], data: Path) -> dict[str, Any]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise InputError(Path(command[0]), f"{error.strerror}; --loam says where the loam command is") from error
    if done.returncode:
        raise InputError(data, f"{' '.join(command)}: {done.stderr.strip()}")
    try:
        answer = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise InputError(data, f"{' '.join(command)} wrote no JSON: {error}") from error
    if not isinstance(answer, dict) or answer.get("schema") != 1:
        raise InputError(data, f"{' '.join(command)} wrote {done.stdout[:80]!r}, expected an object with schema 1")
    return answer
