"""Where the benchmark's files lie. Nothing else in this folder knows a path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT: Path = Path(__file__).resolve().parent.parent
#: Assets beside the checkout; the text of the perplexity rows is there.
SHARED: Path = ROOT.parent / "shared"
WIKITEXT: Path = SHARED / "data" / "lm" / "wikitext2_small" / "test.jsonl.zst"


def home() -> Path:
    """Loam's own directory, by the rules of the command line."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("LOAM_HOME") or cache / "loam")


def made() -> Path:
    """Folder of the models that `models.py` makes."""
    folder = home() / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def pulled() -> Path:
    """Where `loam pull loam-nano` puts the language model."""
    return home() / "foundations" / "loam-nano" / "backbone" / "SmolLM2-135M-Instruct.Q4_1.gguf"


def programs() -> Path:
    """Folder of the release build."""
    return Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "release"


def model_path(name: str) -> Path:
    """File of the model `name`; the pulled file is the one that nobody makes."""
    return pulled() if name == "smollm2-135m-Q4_1" else made() / f"{name}.gguf"


def adapter_paths(shape: str, index: int) -> tuple[Path, Path]:
    """The PEFT folder and the GGUF file of one random adapter."""
    return made() / f"{shape}-lora{index}", made() / f"{shape}-lora{index}.gguf"


@contextmanager
def finished(path: Path) -> Iterator[Path]:
    """A path to write to, renamed to `path` at the end, so that what is there is whole."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    yield part
    part.replace(path)
