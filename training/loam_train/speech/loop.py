"""The training loop, its clock and its checkpoints."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from .. import checkpoint
from ..clock import computed
from ..errors import InputError
from .batches import Batch, Batches
from .settings import Run, Training
from .text import BLANK

_ENTRIES = ("tower", "optimizer", "progress")
_WARM_SHARE = 0.05
_FINAL = 0.005
"""Of the learning rate, at the end."""


@dataclass
class Progress:
    """How far a run has come."""

    seconds: float = 0.0
    """Of computing, by the process's clock: neither pauses nor other programs count."""
    heard: float = 0.0
    """Seconds of sound in all batches, silence included."""
    losses: list[float] = field(default_factory=list)

    @property
    def step(self) -> int:
        return len(self.losses)

    def share(self, training: Training) -> float:
        """Of the run's steps or minutes, whichever are nearer to their end."""
        return max(self.step / training.steps, self.seconds / (60 * training.minutes))


def rate(progress: Progress, training: Training) -> float:
    """Linear warm-up, then a cosine down to nearly nothing."""
    warm = min(1.0, (progress.step + 1) / training.warmup_steps)
    fall = _FINAL + (1 - _FINAL) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress.share(training))))
    return training.learning_rate * warm * fall


def loss(tower: nn.Module, batch: Batch, bfloat16: bool) -> torch.Tensor:
    """Mean over rows of the CTC loss per character, nats."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        logits = tower.frames(batch.x)  # type: ignore[operator]
    scores = functional.log_softmax(logits.float(), -1).transpose(0, 1)
    frames = torch.full((len(batch.x),), len(scores))
    return functional.ctc_loss(scores, batch.targets, frames, batch.lengths, blank=BLANK, zero_infinity=True)


def optimizer(tower: nn.Module, training: Training) -> torch.optim.Optimizer:
    """AdamW; norms and biases do not decay."""
    decay = [p for p in tower.parameters() if p.ndim > 1]
    keep = [p for p in tower.parameters() if p.ndim <= 1]
    groups = [{"params": decay, "weight_decay": training.weight_decay}, {"params": keep, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=training.learning_rate, betas=(0.9, 0.98), fused=True)


def train(tower: nn.Module, batches: Batches, run: Run, path: Path) -> Progress:
    """Trains to the run's end, beginning from the checkpoint at `path` where there is one.

    A run that was stopped gives what one that was not gives, as long as its end is one of steps.

    Raises:
        InputError: for a checkpoint of another run.
    """
    training, steps = run.training, optimizer(tower, run.training)
    progress = _resume(path, tower, steps, run)
    tower.train()
    with tqdm(desc=run.name, initial=progress.step, mininterval=30) as bar:
        while progress.share(training) < 1:
            begun = computed()
            for group in steps.param_groups:
                group["lr"] = rate(progress, training)
            batch = batches.draw(progress.step, warm=progress.share(training) < _WARM_SHARE)
            value = loss(tower, batch, training.bfloat16)
            steps.zero_grad()
            torch.autograd.backward(value)
            nn.utils.clip_grad_norm_(tower.parameters(), training.clip)
            steps.step()
            progress.losses.append(value.item())
            progress.heard += batch.x.shape[0] * batch.x.shape[2] * run.mel.hop / run.mel.rate
            progress.seconds += computed() - begun
            if bar.update():
                recent = progress.losses[-100:]
                bar.set_postfix(
                    loss=f"{sum(recent) / len(recent):.3f}",
                    speed=f"{progress.heard / progress.seconds:.0f}x",
                    minutes=f"{progress.seconds / 60:.1f} of {training.minutes:g}",
                )
            if progress.step % training.checkpoint_steps == 0:
                _checkpoint(path, tower, steps, progress, run)
    _checkpoint(path, tower, steps, progress, run)
    tower.eval()
    return progress


def _checkpoint(path: Path, tower: nn.Module, steps: torch.optim.Optimizer, progress: Progress, run: Run) -> None:
    state = {"tower": tower.state_dict(), "optimizer": steps.state_dict(), "progress": vars(progress)}
    checkpoint.save(path, {"run": run.digest(), **state})


def load(path: Path, tower: nn.Module) -> Progress:
    """The weights of a checkpoint, of whatever settings, into a tower of the same shape.

    Raises:
        InputError: for a file that is missing or no such checkpoint.
    """
    state = checkpoint.read(path, _ENTRIES)
    try:
        tower.load_state_dict(state["tower"])
    except RuntimeError as error:
        raise InputError(path, f"it does not fit the network: {error}") from error
    return Progress(**state["progress"])


def _resume(path: Path, tower: nn.Module, steps: torch.optim.Optimizer, run: Run) -> Progress:
    state = checkpoint.resume(path, _ENTRIES, run.digest(), "settings")
    if state is None:
        return Progress()
    tower.load_state_dict(state["tower"])
    steps.load_state_dict(state["optimizer"])
    return Progress(**state["progress"])
