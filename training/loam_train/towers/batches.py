"""Training examples of all sets together, and the batches drawn from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from .anchors import Anchors
from .data import TowerSet
from .modality import Modality
from .run import Training

_STRIDE = 1_000_003
"""Between the seeds of two runs, so that no two steps of runs with neighbouring seeds draw alike."""


@dataclass(frozen=True)
class Batch:
    """What one step learns from."""

    x: torch.Tensor
    """`[B, ...]`; where the batch is mixed, `share` of each input and the rest of input `other`."""
    target: torch.Tensor
    """`[B]`, an index into the labels of all sets."""
    own: torch.Tensor
    """`[B, labels]`: which labels each input's own set has."""
    other: torch.Tensor
    """`[B]`, indexes of inputs."""
    share: float = 1.0


class Batches:
    """Batch `step` is a function of the seed and the step alone, so that a resumed run goes on as if never stopped."""

    def __init__(self, sets: Sequence[TowerSet], anchors: Anchors, modality: Modality, training: Training) -> None:
        self._modality, self._training = modality, training
        self._inputs = torch.cat([s.train.inputs for s in sets])
        self._extent = torch.cat([s.train.extent for s in sets])
        # A target is an index into the labels of all sets.
        tables = [torch.tensor([anchors.labels.index(label) for label in s.labels]) for s in sets]
        self._target = torch.cat([table[s.train.classes] for s, table in zip(sets, tables, strict=True)])
        self._own = torch.zeros(len(sets), len(anchors.labels), dtype=torch.bool)
        for row, table in zip(self._own, tables, strict=True):
            row[table] = True
        sizes = torch.tensor([len(s.train) for s in sets])
        self._set = torch.repeat_interleave(torch.arange(len(sets)), sizes)
        weights = torch.tensor([s.source.weight for s in sets], dtype=torch.double)
        self._odds = (weights * sizes.double() ** (training.balance - 1))[self._set]

    def __len__(self) -> int:
        return len(self._inputs)

    def draw(self, step: int) -> Batch:
        """The batch of a step."""
        chance = torch.Generator().manual_seed(self._training.seed * _STRIDE + step)
        rows = torch.multinomial(self._odds, self._training.batch, replacement=True, generator=chance)
        x = self._modality.augmented(self._inputs[rows], self._extent[rows], chance)
        batch = Batch(x, self._target[rows], self._own[self._set[rows]], torch.arange(len(rows)))
        if self._training.mixup <= 0:
            return batch
        mixed, share = torch.rand(2, generator=chance).tolist()
        if mixed >= self._training.mixup:
            return batch
        other = torch.randperm(len(rows), generator=chance)
        return replace(batch, x=share * x + (1 - share) * x[other], other=other, share=share)
