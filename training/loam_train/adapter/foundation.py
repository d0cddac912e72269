"""A component of an installed foundation, as `foundation.json` lists it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError

MANIFEST = "foundation.json"
WEIGHTS = (".gguf", ".safetensors", ".bin", ".pt", ".pth")
"""Endings of files whose digests make a component's fingerprint."""


@dataclass(frozen=True)
class Component:
    """One model of the foundation."""

    name: str
    format: str
    """`gguf` or `hugging-face`."""
    entry: Path
    """Its file, or its directory."""
    model: str
    """What it is, for people."""
    fingerprint: str
    """SHA-256 of its weights, which an adapter names as its base."""


def component(foundation: Path, name: str) -> Component:
    """Looks up `name`.

    Raises:
        InputError: for no such foundation or component.
    """
    found = {entry["name"]: entry for entry in _entries(foundation)}
    if name not in found:
        raise InputError(foundation / MANIFEST, f"there is no component {name!r}, there are {', '.join(found)}")
    return _component(foundation, found[name])


def of_kind(foundation: Path, kind: str) -> Component:
    """The component of a kind such as `image-projector`.

    Raises:
        InputError: for no such foundation, and unless it has one component of that kind.
    """
    found = [entry for entry in _entries(foundation) if entry["kind"] == kind]
    if len(found) != 1:
        raise InputError(foundation / MANIFEST, f"it has {len(found)} components of kind {kind!r}, expected one")
    return _component(foundation, found[0])


def _entries(foundation: Path) -> list[dict[str, Any]]:
    path = foundation / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, f"{error.strerror or error}; `loam pull` installs a foundation") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(path, str(error)) from error
    entries = manifest.get("components") if isinstance(manifest, dict) else None
    fields = {"name": str, "kind": str, "format": str, "entry": str, "files": list}
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(path, "it has no list of components")
    for entry in entries:
        for field, kind in fields.items():
            if not isinstance(entry.get(field), kind):
                raise InputError(path, f"a component's {field} is {entry.get(field)!r}, expected a {kind.__name__}")
    found: list[dict[str, Any]] = entries
    return found


def _component(foundation: Path, entry: dict[str, Any]) -> Component:
    where, model = foundation / entry["entry"], entry.get("model", entry["name"])
    return Component(entry["name"], entry["format"], where, model, _fingerprint(entry["files"]))


def _fingerprint(files: list[dict[str, Any]]) -> str:
    """As the engine forms it: of several files, the digest of their list."""
    weights = sorted((Path(f["path"]).name, f["sha256"]) for f in files if Path(f["path"]).suffix in WEIGHTS)
    if len(weights) == 1:
        return str(weights[0][1])
    listed = "".join(f"{digest}  {name}\n" for name, digest in weights)
    return hashlib.sha256(listed.encode()).hexdigest()
