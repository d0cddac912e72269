"""Networks that are trained from nothing: the tower's own trunk on one task, a recurrent one, and one for questions."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import nn

from ..towers import network as towers
from ..towers.modality import Modality
from ..towers.run import Run
from .problem import Part, Problem
from .sources import run_file
from .trained import Draw, Trained


def _inputs(problem: Problem) -> tuple[Run, Modality]:
    if problem.run is None or problem.modality is None:
        raise ValueError(f"{problem.name} is a problem of texts")
    return problem.run, problem.modality


def _trunk(problem: Problem, outputs: int) -> nn.Module:
    """The stages of the problem's tower, with `outputs` instead of the text space."""
    run, modality = _inputs(problem)
    config = towers.config(run, modality.shape, outputs)
    return towers.build(config, run_file(run.modality), modality.max_parameters)


def _media(problem: Problem) -> Draw:
    """Prepared inputs, changed in training as the tower's are."""
    _, modality = _inputs(problem)

    def draw(part: Part, rows: torch.Tensor, chance: torch.Generator | None) -> tuple[torch.Tensor, ...]:
        inputs, extent = part.media()
        if chance is None:
            return (modality.prepared(inputs[rows], extent[rows]),)
        return (modality.augmented(inputs[rows], extent[rows], chance),)

    return draw


class _First(nn.Module):
    """A tower's embedding alone."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        embedding: torch.Tensor = self.tower(x)[0]
        return embedding


class Convolutions(Trained):
    """The tower's trunk with a classifier, trained on this task alone."""

    name = "cnn"

    def __init__(self, problem: Problem) -> None:
        run, _ = _inputs(problem)
        usual = run.training.learning_rate
        self.rates = (usual / 3, usual, 3 * usual)
        self.batch, self.decay = run.training.batch, run.training.weight_decay
        if run.training.precision == "bfloat16":
            self.precision = torch.bfloat16

    def build(self, problem: Problem) -> tuple[nn.Module, Draw]:
        return _First(_trunk(problem, len(problem.labels))), _media(problem)


class _Recurrent(nn.Module):
    """Two bidirectional layers of gated recurrent units; their states' mean and maximum are classified."""

    def __init__(self, channels: int, width: int, classes: int) -> None:
        super().__init__()
        # Two samples a step: half the steps to go through one after the other.
        self.units = nn.GRU(2 * channels, width, num_layers=2, batch_first=True, bidirectional=True, dropout=0.2)
        self.classifier = nn.Linear(4 * width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x[..., : x.shape[-1] // 2 * 2]
        pairs = x.transpose(1, 2).reshape(len(x), x.shape[-1] // 2, -1)
        states, _ = self.units(pairs)
        out: torch.Tensor = self.classifier(torch.cat([states.mean(1), states.amax(1)], -1))
        return out


class Recurrent(Trained):
    """GRU on windows of motion."""

    name = "gru"
    weight = 0.4
    rates = (1e-3, 3e-3, 9e-3)
    decay = 0.01

    def build(self, problem: Problem) -> tuple[nn.Module, Draw]:
        return _Recurrent(6, 96, len(problem.labels)), _media(problem)


WORD = re.compile(r"\w+")
_LEAST = 2
"""Times that a word has to occur."""


class Bag:
    """The words of the training questions."""

    def __init__(self, texts: Sequence[str]) -> None:
        counts: dict[str, int] = {}
        for text in texts:
            for word in WORD.findall(text.lower()):
                counts[word] = counts.get(word, 0) + 1
        self._places = {word: i for i, word in enumerate(sorted(w for w, n in counts.items() if n >= _LEAST))}

    def __len__(self) -> int:
        return len(self._places)

    def of(self, texts: Sequence[str]) -> torch.Tensor:
        """Which words each text has, `[texts, words]`."""
        found = torch.zeros(len(texts), len(self))
        for row, text in enumerate(texts):
            found[row, [self._places[w] for w in WORD.findall(text.lower()) if w in self._places]] = 1.0
        return found


class _Questions(nn.Module):
    """A picture's vector and a question's, multiplied and side by side."""

    def __init__(self, tower: nn.Module, width: int, words: int, answers: int) -> None:
        super().__init__()
        self.tower = _First(tower)
        self.words = nn.Sequential(nn.Linear(words, width), nn.ReLU(), nn.Linear(width, width))
        self.answers = nn.Sequential(nn.Linear(3 * width, width), nn.ReLU(), nn.Linear(width, answers))

    def forward(self, pictures: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        seen, asked = self.tower(pictures), self.words(words)
        out: torch.Tensor = self.answers(torch.cat([seen, asked, seen * asked], -1))
        return out


class Questions(Convolutions):
    """The tower's trunk and the words of the question; answers are classes."""

    name = "cnn-words"

    def build(self, problem: Problem) -> tuple[nn.Module, Draw]:
        width, bag, pictures = 128, Bag(problem.train.texts), _media(problem)
        network = _Questions(_trunk(problem, width), width, len(bag), len(problem.labels))

        def draw(part: Part, rows: torch.Tensor, chance: torch.Generator | None) -> tuple[torch.Tensor, ...]:
            return (*pictures(part, rows, chance), bag.of([part.texts[row] for row in rows.tolist()]))

        return network, draw
