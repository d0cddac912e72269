"""A row of a data folder: what goes into a task and what is to come out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

IMAGES: frozenset[str] = frozenset({".png", ".jpg", ".jpeg"})
SOUNDS: frozenset[str] = frozenset({".wav", ".flac"})
RECORDINGS: frozenset[str] = frozenset({".csv", ".npz"})


@dataclass(frozen=True)
class Example:
    """One row. It has a text, a file, or both; and a label, or texts of which each would be right, or tags of words."""

    where: str
    """The row as errors name it, such as `row 3`."""
    text: str | None = None
    text2: str | None = None
    """The second text of a pair."""
    file: Path | None = None
    """A picture, a sound or a recording of motion; it is inside the folder, and there was such a file."""
    index: int | None = None
    """Which recording of an `.npz` file."""
    label: str | None = None
    outputs: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    """Words of `text`, which spaces part."""
    tags: tuple[str, ...] = ()
    """Of each word: `O`, `B-x` or `I-x`."""

    @property
    def prompt(self) -> str:
        """What a text model reads: the text, or both of a pair on a line each; empty without text."""
        parts = [part for part in (self.text, self.text2) if part is not None]
        return "\n".join(parts)

    @property
    def modality(self) -> str:
        """`text`, `image`, `sound` or `motion`: of the file where there is one."""
        if self.file is None:
            return "text"
        suffix = self.file.suffix.lower()
        return "image" if suffix in IMAGES else "sound" if suffix in SOUNDS else "motion"


@dataclass(frozen=True)
class Split:
    """The rows of `train`, `valid` or `test`, and the file or directory that errors about them name."""

    path: Path
    examples: tuple[Example, ...] = ()

    def __len__(self) -> int:
        return len(self.examples)
