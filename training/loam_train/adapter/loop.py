"""The training loop of all adapters: a clock of computing, validation, early stopping, and checkpoints to go on from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from .. import checkpoint
from ..clock import computed

WARMUP = 0.05
"""Share of the run in which the learning rate rises."""
CLIP = 1.0
CHECKPOINT_SECONDS = 30.0
"""Of computing: what an interruption costs at most."""


@dataclass(frozen=True)
class Schedule:
    """How long a run is."""

    steps: int
    seconds: float
    """Of computing; the run ends with its steps or its seconds, whichever come first, and so falls the learning rate."""
    evaluations: int
    """Validations in the whole run."""
    patience: int
    """Validations in a row that bring nothing, after which it stops."""


@dataclass(frozen=True)
class Score:
    """What a validation found."""

    value: float
    """Higher is better."""
    loss: float
    """Decides between equal values."""

    def better(self, other: Score | None) -> bool:
        return other is None or (self.value, -self.loss) > (other.value, -other.loss)


@dataclass
class Progress:
    """How far a run has come; what a checkpoint holds beside tensors."""

    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    scores: list[tuple[int, float, float]] = field(default_factory=list)
    """Step, value and loss of each validation."""
    best: int = -1
    """Index in `scores`."""
    stopped: bool = False

    @property
    def step(self) -> int:
        return len(self.losses)

    def share(self, schedule: Schedule) -> float:
        """Of the run's steps or seconds, whichever are nearer to their end."""
        return max(self.step / schedule.steps, self.seconds / schedule.seconds)


@dataclass(frozen=True)
class Job:
    """What is trained."""

    name: str
    parameters: dict[str, nn.Parameter]
    groups: list[dict[str, Any]]
    """Of the optimizer: `params`, `lr` and `weight_decay`."""
    loss: Callable[[int], torch.Tensor]
    """Of the batch of a step; batches follow from the seed and the step alone, so that a resumed run repeats them."""
    evaluate: Callable[[], Score]
    digest: str
    """Of all that makes checkpoints fit each other."""


def fit(job: Job, schedule: Schedule, path: Path) -> Progress:
    """Trains in place, from the checkpoint at `path` if there is one, and leaves the best weights.

    Raises:
        InputError: for a checkpoint of another run, or one that cannot be read.
    """
    optimizer = torch.optim.AdamW(job.groups)
    rates = [group["lr"] for group in optimizer.param_groups]
    progress, best = _resume(path, job, optimizer)
    begun, saved = computed() - progress.seconds, computed()
    with tqdm(total=schedule.steps, initial=progress.step, desc=job.name, mininterval=2, unit="step") as bar:
        while not progress.stopped and progress.share(schedule) < 1:
            share = progress.share(schedule)
            factor = min(1.0, (share + 1e-3) / WARMUP) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor
            loss = job.loss(progress.step)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(job.parameters.values(), CLIP)
            optimizer.step()
            progress.losses.append(loss.item())
            progress.seconds = computed() - begun
            bar.update()
            due = progress.share(schedule) >= (len(progress.scores) + 1) / schedule.evaluations
            if due or progress.share(schedule) >= 1:
                best = _validate(job, schedule, progress, best)
                progress.seconds = computed() - begun
                bar.set_postfix(loss=f"{loss.item():.3f}", valid=f"{progress.scores[-1][1]:.4f}")
            if computed() - saved > CHECKPOINT_SECONDS:
                _checkpoint(path, job, optimizer, progress, best)
                saved = computed()
    _checkpoint(path, job, optimizer, progress, best)
    _restore(job, best)
    return progress


def _validate(
    job: Job, schedule: Schedule, progress: Progress, best: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Scores, and gives the best weights so far."""
    score = job.evaluate()
    former = Score(*progress.scores[progress.best][1:]) if progress.best >= 0 else None
    progress.scores.append((progress.step, score.value, score.loss))
    if score.better(former):
        progress.best = len(progress.scores) - 1
        return {name: value.detach().clone() for name, value in job.parameters.items()}
    progress.stopped = len(progress.scores) - 1 - progress.best >= schedule.patience
    return best


def _restore(job: Job, tensors: dict[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, value in tensors.items():
            job.parameters[name].copy_(value)


def _checkpoint(
    path: Path, job: Job, optimizer: torch.optim.Optimizer, progress: Progress, best: dict[str, torch.Tensor]
) -> None:
    state = {
        "run": job.digest,
        "parameters": {name: value.detach() for name, value in job.parameters.items()},
        "best": best,
        "optimizer": optimizer.state_dict(),
        "progress": asdict(progress),
    }
    checkpoint.save(path, state)


def _resume(path: Path, job: Job, optimizer: torch.optim.Optimizer) -> tuple[Progress, dict[str, torch.Tensor]]:
    state = checkpoint.resume(path, ("parameters", "best", "optimizer", "progress"), job.digest, "data or settings")
    if state is None:
        return Progress(), {}
    _restore(job, state["parameters"])
    optimizer.load_state_dict(state["optimizer"])
    progress = Progress(**state["progress"])
    progress.scores = [tuple(score) for score in progress.scores]  # type: ignore[misc]
    return progress, state["best"]
