"""Networks: learning rates are tried in short runs on the validation part; the best one is given the rest of the time."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ..adapter import loop
from ..adapter.loop import Job, Schedule
from .candidate import Candidate, Choice, Model, accuracy
from .problem import Part, Problem

PROBE = (0.08, 0.2)
"""Least and greatest share of the time that one learning rate is tried for."""
PROBE_SECONDS = 20.0
"""In between, a trial takes as long."""
SEED = 7
LEAST_STEPS = 300
EVALUATIONS = 8
"""Of a run that is watched."""
_EVAL_BATCH = 256
_STRIDE = 1_000_003
"""Between the seeds of neighbouring runs."""

Draw = Callable[[Part, torch.Tensor, torch.Generator | None], tuple[torch.Tensor, ...]]
"""From a part and its rows to what the network is called with, changed at random where there is a generator."""


class NetworkModel(Model):
    """A network and how its inputs are made."""

    def __init__(self, network: nn.Module, draw: Draw) -> None:
        self.network, self.draw = network, draw

    def logits(self, part: Part, precision: torch.dtype = torch.float32) -> torch.Tensor:
        """`[N, classes]`."""
        self.network.eval()
        with torch.inference_mode(), mixed(precision):
            batches = torch.split(torch.arange(len(part)), _EVAL_BATCH)
            found = [self.network(*self.draw(part, rows, None)) for rows in batches]
        return torch.cat(found).float()

    def predict(self, part: Part) -> torch.Tensor:
        return self.logits(part).argmax(1)

    def parameters(self) -> int:
        return sum(p.numel() for p in self.network.parameters())


class Trained(Candidate):
    """A network that is trained by gradients."""

    rates: tuple[float, ...]
    """Learning rates to choose from."""
    batch: int = 64
    decay: float = 0.05
    precision: torch.dtype = torch.float32
    watched: bool = False
    """The last run stops where the validation part says so; else it learns from that part too, for all of its time."""
    epochs: float = 1000.0
    """At most as many passes over the rows, or steps where those are fewer than `LEAST_STEPS`."""

    @abstractmethod
    def build(self, problem: Problem) -> tuple[nn.Module, Draw]:
        """The network with its first weights, and its inputs."""

    def order(self, part: Part, epoch: int) -> torch.Tensor:
        """Rows of one pass, `[N]`, in the order in which batches take them."""
        return torch.randperm(len(part), generator=torch.Generator().manual_seed(SEED * _STRIDE + epoch))

    def choose(self, problem: Problem, seconds: float, work: Path) -> Choice:
        share = max(PROBE[0], min(PROBE[1], PROBE_SECONDS / seconds))
        tried = []
        for rate in self.rates:
            path = work / f"{problem.name}.{self.name}.{rate:g}.pt"
            model = self._run(problem, problem.train, rate, share * seconds, path, watched=False)
            found = accuracy(model.predict(problem.valid), problem.valid.classes)
            tried.append({"learning_rate": rate, "accuracy": round(found, 2), "seconds": round(share * seconds, 1)})
        best = max(tried, key=lambda one: one["accuracy"])
        return Choice({"learning_rate": best["learning_rate"]}, best["accuracy"], tried)

    def fit(self, problem: Problem, choice: Choice, seconds: float, work: Path) -> Model:
        rest = seconds - sum(one["seconds"] for one in choice.tried)
        path = work / f"{problem.name}.{self.name}.pt"
        rows = problem.train if self.watched else joined(problem.train, problem.valid)
        return self._run(problem, rows, choice.settings["learning_rate"], rest, path, self.watched)

    def _run(
        self, problem: Problem, rows: Part, rate: float, seconds: float, path: Path, watched: bool
    ) -> NetworkModel:
        torch.manual_seed(SEED)
        network, draw = self.build(problem)
        model = NetworkModel(network, draw)
        batch = min(self.batch, len(rows))
        per_epoch = len(rows) // batch
        orders: dict[int, torch.Tensor] = {}

        def loss(step: int) -> torch.Tensor:
            epoch, place = divmod(step, per_epoch)
            if epoch not in orders:
                orders.clear()
                orders[epoch] = self.order(rows, epoch)
            chosen = orders[epoch][place * batch : (place + 1) * batch]
            # Dropout draws from the global generator; both follow from the step, so that a resumed run repeats them.
            chance = torch.Generator().manual_seed(SEED * _STRIDE + step)
            torch.manual_seed(SEED * _STRIDE + step)
            network.train()
            with mixed(self.precision):
                found = network(*draw(rows, chosen, chance))
            return cross_entropy(found.float(), rows.classes[chosen])

        def evaluate() -> loop.Score:
            if not watched:
                return loop.Score(0.0, 0.0)
            logits = model.logits(problem.valid, self.precision)
            right = accuracy(logits.argmax(1), problem.valid.classes)
            return loop.Score(right, float(cross_entropy(logits, problem.valid.classes)))

        # What norms have counted belongs to a checkpoint as weights do.
        state = dict(network.named_parameters()) | dict(network.named_buffers())
        job = Job(
            name=f"{problem.name} {self.name} {rate:g}",
            parameters=cast("dict[str, nn.Parameter]", state),
            groups=groups(network, rate, self.decay),
            loss=loss,
            evaluate=evaluate,
            digest=_digest(problem.digest(), self.name, rate, round(seconds, 3), len(rows)),
        )
        steps = max(LEAST_STEPS, round(self.epochs * per_epoch))
        schedule = Schedule(steps, seconds, EVALUATIONS if watched else 1, patience=3)
        loop.fit(job, schedule, path)
        return model


def mixed(precision: torch.dtype) -> torch.autocast:
    """Products in `precision`, where it is not fp32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16)


def groups(network: nn.Module, rate: float, decay: float) -> list[dict[str, Any]]:
    """Of the optimizer: norms and biases do not decay."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim <= 1]
    common = {"lr": rate, "fused": True}
    return [{"params": matrices, "weight_decay": decay, **common}, {"params": vectors, "weight_decay": 0.0, **common}]


def joined(first: Part, second: Part) -> Part:
    """The rows of both."""

    def both(one: torch.Tensor | None, other: torch.Tensor | None) -> torch.Tensor | None:
        return None if one is None or other is None else torch.cat([one, other])

    return Part(
        torch.cat([first.classes, second.classes]),
        first.texts + second.texts,
        both(first.inputs, second.inputs),
        both(first.extent, second.extent),
    )


def _digest(*values: object) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()
