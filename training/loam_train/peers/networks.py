"""Networks and forests as ONNX files. Weights of networks are the first ones: what they take does not depend on them."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from .. import places
from ..baseline import export
from ..baseline.candidate import Choice
from ..baseline.forest import Forest, ForestModel, statistics
from ..baseline.networks import Bag, Convolutions, Questions
from ..baseline.problem import Problem
from ..baseline.sentence import Sentences
from ..dense.heads import KINDS
from ..dense.scenes import SIDE
from ..own.scenes import Unet
from .peer import Ready, spread

_ROWS = 30
"""Of a network that takes the same time for each."""
_LIBRARIES = ("numpy", "onnxruntime")
_FOREST = Choice({"kind": "extra", "features": 0.1}, 0.0, [])


def exported(network: nn.Module, inputs: tuple[torch.Tensor, ...], free: tuple[dict[int, str], ...] = ()) -> bytes:
    """The file; `free` names extents that differ from row to row."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export.write(network, inputs, path, free)
        return path.read_bytes()


def _noise(*shape: int) -> list[tuple[Any, ...]]:
    chance = torch.Generator().manual_seed(1)
    return [(torch.randn(1, *shape, generator=chance).numpy(),) for _ in range(_ROWS)]


def convolutions(modality: str, classes: int) -> Ready:
    """The tower's trunk with a classifier."""
    problem = export.unknown(modality, classes)
    network, _ = Convolutions(problem).build(problem)
    shape = export.shape(problem)
    return Ready("onnx", _LIBRARIES, exported(network, (torch.zeros(1, *shape),)), _noise(*shape))


def questions(texts: tuple[str, ...], answers: int) -> Ready:
    """A trunk for the picture and the words of a question."""
    problem = export.unknown("image", answers, texts)
    network, _ = Questions(problem).build(problem)
    shape = export.shape(problem)
    words = Bag(texts).of(texts[:_ROWS])
    rows = [(picture, words[at : at + 1].numpy()) for at, (picture,) in enumerate(_noise(*shape)[: len(words)])]
    return Ready("onnx", _LIBRARIES, exported(network, (torch.zeros(1, *shape), words[:1])), rows)


def sentences(problem: Problem) -> Ready:
    """The text encoder with a classifier, on the set's own texts."""
    network, draw = Sentences(places.foundation() / "text", 1).build(problem)
    rows = []
    for at in spread(len(problem.test)):
        ids, mask = draw(problem.test, torch.tensor([at]), None)
        rows.append((ids.numpy(), mask.numpy()))
    example = (torch.ones(1, 12, dtype=torch.long), torch.ones(1, 12, dtype=torch.long))
    return Ready("onnx", _LIBRARIES, exported(network, example, ({1: "tokens"}, {1: "tokens"})), rows)


def unet(kind: str) -> Ready:
    """The U-Net of scenes."""
    return Ready(
        "onnx", _LIBRARIES, exported(Unet(KINDS[kind]), (torch.zeros(1, 3, SIDE, SIDE),)), _noise(3, SIDE, SIDE)
    )


def forest(problem: Problem) -> Ready:
    """Trees over statistics of windows.

    A node of ONNX holds a weight of each class, which takes hundreds of times what the trees need.
    """
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    learned = cast("ForestModel", Forest().fit(problem, _FOREST, 0.0, Path()))
    windows, steps = problem.test.at(torch.tensor(spread(len(problem.test)))).media()
    given = [("x", FloatTensorType([1, statistics(windows[:1], steps[:1]).shape[1]]))]
    model = convert_sklearn(learned.forest, initial_types=given, options={"zipmap": False}, target_opset=18)
    rows = [(windows[at : at + 1], steps[at : at + 1]) for at in range(len(windows))]
    libraries = (*_LIBRARIES, "loam_train.baseline.forest")
    return Ready("forest", libraries, model.SerializeToString(), rows, compact=False)


def falls(problem: Problem) -> Problem:
    """The classes of SisFall as fall and none."""
    falling = torch.tensor([name.startswith("F") for name in problem.labels]).long()
    parts = [replace(part, classes=falling[part.classes]) for part in (problem.train, problem.valid, problem.test)]
    return replace(problem, labels=("none", "fall"), train=parts[0], valid=parts[1], test=parts[2])
