"""The Rust engine: sentences into the shared space, a foundation with the tower, and raw inputs through it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import loam
import numpy as np
import torch

from ..errors import InputError

_APP = "training"


class Engine:
    """A foundation, opened."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "foundation.json").exists():
            raise InputError(folder, "no foundation is there; 'loam pull loam-nano' fetches one")
        self._app = loam.Engine.open(folder).attach(_APP)

    def embed(self, sentences: Sequence[str]) -> torch.Tensor:
        """Unit vectors `[sentences, dim]` of the text encoder that runs on devices."""
        rows = [self._app.embed(loam.Input.text(sentence)).vector for sentence in sentences]
        return torch.from_numpy(np.stack(rows))

    def classify(self, given: loam.Input, labels: Sequence[str]) -> str:
        """The label of a raw input: preparing it is the engine's part."""
        label: str = self._app.classify(given, labels).label
        return label


def _text_encoder(folder: Path) -> dict[str, Any]:
    """What the foundation's manifest says of its text encoder."""
    path = folder / "foundation.json"
    try:
        components = json.loads(path.read_text(encoding="utf-8"))["components"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(path, f"no manifest can be read from it ({error})") from error
    found: list[dict[str, Any]] = [one for one in components if one["kind"] == "text-encoder"]
    if len(found) != 1:
        raise InputError(path, f"it has {len(found)} components of kind text-encoder, expected one")
    return found[0]


def build_foundation(tower: Path, modality: str, licence: str, base: Path, out: Path, binary: str) -> None:
    """Puts the tower beside the text encoder of the foundation `base`, with `loam foundation build`.

    Raises:
        InputError: with what the builder says.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    text = _text_encoder(base)
    lines = ["schema = 1", f"id = {_quoted(out.name)}", 'version = "0.1.0"', f'summary = "text and {modality}"']
    for name, path, terms, model in (
        ("text", base / text["entry"], text["licence"], text["model"]),
        (modality, tower, licence, f"loam-tower {tower.name}"),
    ):
        lines += ["[[sources]]", f"name = {_quoted(name)}", f"path = {_quoted(str(path.resolve()))}"]
        lines += ["[[components]]", f"name = {_quoted(name)}", f"kind = {_quoted(name + '-encoder')}"]
        lines += [f"source = {_quoted(name)}", 'format = "hugging-face"', f"model = {_quoted(model)}"]
        lines += [f"licence = {_quoted(terms)}", f"properties = {{ dim = {text['dim']} }}"]
    lines += ['wiring = { space = "text" }', ""]
    recipe = out.with_suffix(".toml")
    recipe.write_text("\n".join(lines), encoding="utf-8")
    command = [binary, "foundation", "build", str(recipe), "--output", str(out), "--replace"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise InputError(Path(binary), f"{error.strerror}; --loam says where the loam command is") from error
    if done.returncode:
        raise InputError(recipe, f"{binary} refused it: {done.stderr.strip()}")


def _quoted(text: str) -> str:
    """As a TOML string; one of JSON is one."""
    return json.dumps(text, ensure_ascii=False)
