"""Networks of baselines as ONNX files, whose operators `loam ops` counts.

Weights are the first ones: operators follow from the kind of model, and of one that has learned nothing but its scores is
kept. Words with a linear classifier and forests are no networks.
"""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from ..errors import InputError
from ..towers import run as runs
from ..towers.modality import open_modality
from . import sources
from .networks import Bag, Convolutions, Questions, Recurrent
from .problem import Part, Problem
from .sentence import Sentences
from .trained import Trained

OPSET = 20
"""Of ONNX: the first one with `Gelu`, so that PyTorch's exporter need not write it out."""
_TOKENS = 64
_NEEDED = ("onnx", "onnxscript")
"""Packages that PyTorch's exporter needs, and training does not."""

_LABELS = ("one", "other")
_TEXT = "which word occurs twice twice"


def export(encoder: Path, out: Path) -> list[Path]:
    """Writes a file for each kind of network, `KIND-MODALITY.onnx`; `encoder` is the directory of the text encoder.

    Raises:
        InputError: for a folder without a text encoder, and where a package is missing.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(out, f"PyTorch's exporter needs {' and '.join(missing)}, which are not installed")
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, network, inputs in _networks(encoder):
        path = out / f"{name}.onnx"
        _write(network.eval(), inputs, path)
        written.append(path)
    return written


def _networks(encoder: Path) -> Iterator[tuple[str, nn.Module, tuple[torch.Tensor, ...]]]:
    for modality in ("image", "sound", "imu"):
        problem = _problem(modality)
        yield _built(Convolutions(problem), problem, (_media(problem),))
    motion = _problem("imu")
    yield _built(Recurrent(), motion, (_media(motion),))
    pictures = _problem("image")
    network, _ = Questions(pictures).build(pictures)
    words = torch.zeros(1, len(Bag(pictures.train.texts)))
    yield "cnn-words-image", network, (_media(pictures), words)
    ids, mask = torch.zeros(1, _TOKENS, dtype=torch.long), torch.ones(1, _TOKENS, dtype=torch.long)
    texts = _problem(None)
    yield _built(Sentences(encoder, 1), texts, (ids, mask))


def _problem(modality: str | None) -> Problem:
    """Of one row, for its extents alone."""
    part = Part(torch.zeros(1, dtype=torch.long), (_TEXT,))
    path = Path("export")
    if modality is None:
        return Problem("text", path, _LABELS, part, part, part)
    file = sources.run_file(modality)
    run = runs.read(file)
    return Problem(modality, file, _LABELS, part, part, part, run, open_modality(run, file))


def _media(problem: Problem) -> torch.Tensor:
    if problem.modality is None:
        raise ValueError("texts have no extents")
    return torch.zeros(1, *problem.modality.shape)


def _built(
    kind: Trained, problem: Problem, inputs: tuple[torch.Tensor, ...]
) -> tuple[str, nn.Module, tuple[torch.Tensor, ...]]:
    network, _ = kind.build(problem)
    return f"{kind.name}-{problem.name}", network, inputs


def _write(network: nn.Module, inputs: tuple[torch.Tensor, ...], path: Path) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(network, inputs, dynamo=True, opset_version=OPSET, verbose=False)
        if program is None:
            raise RuntimeError(f"PyTorch's exporter gave nothing for {path}")
        program.optimize()
        program.save(path, external_data=False)
