"""Writes `bench/eai/tests/fixtures`: a few rows of our own in each official format, with the structure of its files.

    VENV/bin/python make_fixtures.py

VENV is that of make_cases.py. Pictures, sounds and films that loaders only point at are left out where no test opens them.
A second run writes the same files.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

import fixture_media
import fixture_sets
import fixture_texts

FIXTURES = Path(__file__).parent.parent / "tests" / "fixtures"


class Writer:
    """Writes files below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def bytes(self, name: str, data: bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def text(self, name: str, *lines: str) -> None:
        self.bytes(name, "".join(line + "\n" for line in lines).encode())

    def image(self, name: str, pixels: np.ndarray, palette: bool = False) -> None:
        made = Image.fromarray(pixels.astype(np.uint8))
        if palette:
            made = Image.fromarray(pixels.astype(np.uint8), mode="P")
            made.putpalette([(i * 37) % 256 for i in range(768)])
        buffer = io.BytesIO()
        made.save(buffer, "PNG" if name.endswith("png") else "JPEG")
        self.bytes(name, buffer.getvalue())


def main() -> None:
    shutil.rmtree(FIXTURES, ignore_errors=True)
    for module in (fixture_texts, fixture_media, fixture_sets):
        module.write(Writer(FIXTURES))
    sizes = [path.stat().st_size for path in FIXTURES.rglob("*") if path.is_file()]
    print(f"{len(sizes)} files, {sum(sizes)} bytes")


if __name__ == "__main__":
    main()
