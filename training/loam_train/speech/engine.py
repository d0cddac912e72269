"""The Rust engine as a listener: a foundation of one speech tower, and sound through it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import loam
import numpy as np

from ..errors import InputError
from .voices import Samples

_APP = "training"


class Listener:
    """A foundation with a speech encoder, opened."""

    def __init__(self, folder: Path) -> None:
        self._app = loam.Engine.open(folder).attach(_APP)

    def transcribe(self, samples: Samples, rate: int, beam: int = 1, live: bool = False) -> str:
        """What is said; `beam` texts side by side, in narrow windows as of a microphone where `live`."""
        pace = loam.Pace.LIVE if live else loam.Pace.THOROUGH
        options = loam.TranscribeOptions(beams=beam, pace=pace)
        sound = loam.Input.pcm(np.ascontiguousarray(samples, np.float32).clip(-1, 1), rate)
        return " ".join(self._app.transcribe(sound, options).text.split())


def build_foundation(tower: Path, dim: int, licence: str, out: Path, binary: str) -> None:
    """Makes a foundation of the tower alone, with `loam foundation build`.

    Raises:
        InputError: with what the builder says.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    # JSON strings are TOML strings.
    lines = ["schema = 1", f"id = {json.dumps(out.name)}", 'version = "0.1.0"', 'summary = "speech to text"']
    lines += ["[[sources]]", 'name = "speech"', f"path = {json.dumps(str(tower.resolve()))}"]
    lines += ["[[components]]", 'name = "speech"', 'kind = "speech-encoder"', 'source = "speech"']
    lines += ['format = "hugging-face"', 'model = "loam-tower speech"', f"licence = {json.dumps(licence)}"]
    lines += [f"properties = {{ dim = {dim} }}", ""]
    recipe = out.with_suffix(".toml")
    recipe.write_text("\n".join(lines), encoding="utf-8")
    command = [binary, "foundation", "build", str(recipe), "--output", str(out), "--replace"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise InputError(Path(binary), f"{error.strerror}; --loam says where the loam command is") from error
    if done.returncode:
        raise InputError(recipe, f"{binary} refused it: {done.stderr.strip()}")
