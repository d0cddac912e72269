"""A task's result as a file, and which settings it was made with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import InputError

SCHEMA = 1


def write(path: Path, content: dict[str, Any]) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)


def read(path: Path) -> dict[str, Any] | None:
    """The content; `None` where there is no such file.

    Raises:
        InputError: for a file of another kind.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(path, f"no result can be read from it ({error}); delete it to measure again") from error
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise InputError(path, f"expected an object with schema {SCHEMA}; delete it to measure again")
    return found
