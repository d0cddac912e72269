"""The training loop, its clock and its checkpoints."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize
from tqdm import tqdm

from .. import checkpoint
from ..clock import computed
from .batches import Batch, Batches
from .run import Run, Training


@dataclass
class Progress:
    """How far a run has come."""

    seconds: float = 0.0
    """Of computing; the time between two sittings does not count."""
    losses: list[float] = field(default_factory=list)

    @property
    def step(self) -> int:
        return len(self.losses)

    def share(self, training: Training) -> float:
        """Of the run's steps or minutes, whichever are nearer to their end."""
        return max(self.step / training.steps, self.seconds / (60 * training.minutes))


def rate(progress: Progress, training: Training) -> float:
    """Linear warm-up, then a cosine down to a hundredth."""
    warm = min(1.0, (progress.step + 1) / training.warmup_steps)
    fall = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress.share(training))))
    return training.learning_rate * warm * fall


def loss(tower: nn.Module, batch: Batch, anchors: torch.Tensor, scale: float) -> torch.Tensor:
    """Cross-entropy of cosines with the anchors of each input's own set: other sets may mean the same by other words."""
    embedding, _ = tower(batch.x)
    logits = scale * normalize(embedding.float(), dim=-1) @ anchors.T

    def of(rows: torch.Tensor) -> torch.Tensor:
        return cross_entropy(logits.masked_fill(~batch.own[rows], -math.inf), batch.target[rows])

    value = of(torch.arange(len(batch.target)))
    # The other half of what is mixed is told apart among the labels of its own set.
    return value if batch.share == 1 else batch.share * value + (1 - batch.share) * of(batch.other)


def optimizer(tower: nn.Module, training: Training) -> torch.optim.Optimizer:
    """AdamW; norms and biases do not decay."""
    decay = [p for p in tower.parameters() if p.ndim > 1]
    keep = [p for p in tower.parameters() if p.ndim <= 1]
    groups = [{"params": decay, "weight_decay": training.weight_decay}, {"params": keep, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=training.learning_rate)


def train(tower: nn.Module, batches: Batches, anchors: torch.Tensor, run: Run, path: Path) -> Progress:
    """Trains `tower` in place, from the checkpoint at `path` if there is one, to the end of the run's clock.

    Raises:
        InputError: for a checkpoint of another run, or one that cannot be read.
    """
    training = run.training
    steps = optimizer(tower, training)
    progress = _resume(path, tower, steps, run)
    tower.train()
    with tqdm(total=training.steps, initial=progress.step, desc=run.name, mininterval=2) as bar:
        while progress.share(training) < 1:
            begun = computed()
            for group in steps.param_groups:
                group["lr"] = rate(progress, training)
            batch = batches.draw(progress.step)
            with torch.autocast("cpu", torch.bfloat16, enabled=training.precision == "bfloat16"):
                value = loss(tower, batch, anchors, run.network.logit_scale)
            steps.zero_grad()
            torch.autograd.backward(value)
            nn.utils.clip_grad_norm_(tower.parameters(), training.clip)
            steps.step()
            progress.losses.append(value.item())
            progress.seconds += computed() - begun
            bar.update()
            pace = f"{progress.step / progress.seconds:.1f}"
            # Shown with the next update of the bar: a write for every step costs more than a small step.
            bar.set_postfix(loss=f"{progress.losses[-1]:.3f}", steps_per_s=pace, refresh=False)
            if progress.step % training.checkpoint_steps == 0:
                _checkpoint(path, tower, steps, progress, run)
    _checkpoint(path, tower, steps, progress, run)
    tower.eval()
    return progress


def _checkpoint(path: Path, tower: nn.Module, steps: torch.optim.Optimizer, progress: Progress, run: Run) -> None:
    state = {"tower": tower.state_dict(), "optimizer": steps.state_dict(), "progress": vars(progress)}
    checkpoint.save(path, {"run": run.digest(), **state})


def _resume(path: Path, tower: nn.Module, steps: torch.optim.Optimizer, run: Run) -> Progress:
    state = checkpoint.resume(path, ("tower", "optimizer", "progress"), run.digest(), "settings")
    if state is None:
        return Progress()
    tower.load_state_dict(state["tower"])
    steps.load_state_dict(state["optimizer"])
    return Progress(**state["progress"])
