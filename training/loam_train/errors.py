"""What a user can mend: everything else is a defect and shows its trace."""

from __future__ import annotations

from pathlib import Path


class InputError(Exception):
    """A file, a value in it, and what was expected."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason
