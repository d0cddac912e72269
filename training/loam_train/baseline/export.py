"""Networks of baselines as ONNX files, whose operators `loam ops` counts.

Weights are the first ones: operators follow from the kind of model, and of one that has learned nothing but its scores is
kept. Words with a linear classifier and forests are no networks.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

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
_TEXT = "which word occurs twice twice"


def export(encoder: Path, out: Path) -> list[Path]:
    """Writes a file for each kind of network, `KIND-MODALITY.onnx`; `encoder` is the directory of the text encoder.

    Raises:
        InputError: for a folder without a text encoder.
    """
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, network, inputs in _networks(encoder):
        path = out / f"{name}.onnx"
        write(network, inputs, path)
        written.append(path)
    return written


def _networks(encoder: Path) -> Iterator[tuple[str, nn.Module, tuple[torch.Tensor, ...]]]:
    for modality in ("image", "sound", "imu"):
        problem = unknown(modality)
        yield _built(Convolutions(problem), problem, (_media(problem),))
    motion = unknown("imu")
    yield _built(Recurrent(), motion, (_media(motion),))
    pictures = unknown("image", texts=(_TEXT,))
    network, _ = Questions(pictures).build(pictures)
    words = torch.zeros(1, len(Bag(pictures.train.texts)))
    yield "cnn-words-image", network, (_media(pictures), words)
    ids, mask = torch.zeros(1, _TOKENS, dtype=torch.long), torch.ones(1, _TOKENS, dtype=torch.long)
    part = Part(torch.zeros(1, dtype=torch.long), (_TEXT,))
    texts = Problem("text", Path("export"), _labels(2), part, part, part)
    yield _built(Sentences(encoder, 1), texts, (ids, mask))


def unknown(modality: str, classes: int = 2, texts: tuple[str, ...] = ()) -> Problem:
    """A problem of no rows, for its extents alone; `texts` are what networks of questions know words from."""
    part = Part(torch.zeros(1, dtype=torch.long), texts)
    file = sources.run_file(modality)
    run = runs.read(file)
    return Problem(modality, file, _labels(classes), part, part, part, run, open_modality(run, file))


def _labels(classes: int) -> tuple[str, ...]:
    return tuple(str(label) for label in range(classes))


def shape(problem: Problem) -> tuple[int, ...]:
    """Of one row's inputs, for a problem that has them."""
    if problem.modality is None:
        raise ValueError("texts have no extents")
    return tuple(problem.modality.shape)


def _media(problem: Problem) -> torch.Tensor:
    return torch.zeros(1, *shape(problem))


def _built(
    kind: Trained, problem: Problem, inputs: tuple[torch.Tensor, ...]
) -> tuple[str, nn.Module, tuple[torch.Tensor, ...]]:
    network, _ = kind.build(problem)
    return f"{kind.name}-{problem.name}", network, inputs


def write(
    network: nn.Module, inputs: tuple[torch.Tensor, ...], path: Path, free: tuple[dict[int, str], ...] = ()
) -> None:
    """Writes the file; `free` names, for each input, the extents that differ from row to row."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        shapes = tuple(dict.fromkeys(one, torch.export.Dim.DYNAMIC) for one in free) or None
        program = torch.onnx.export(
            network.eval(), inputs, dynamo=True, opset_version=OPSET, verbose=False, dynamic_shapes=shapes
        )
        if program is None:
            raise RuntimeError(f"PyTorch's exporter gave nothing for {path}")
        program.optimize()
        program.save(path, external_data=False)
