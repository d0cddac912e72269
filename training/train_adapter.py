"""Trains one LoRA adapter on the frozen SmolLM2, as a TOML file describes it.

Stops after the configured steps or minutes, whichever come first; the learning rate
follows the same clock. Running it again continues from the last checkpoint.
"""

from __future__ import annotations

import argparse
import math
import os
import time
import tomllib
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import matplotlib
import torch
from peft import PeftModel
from tqdm import tqdm

import data
import model as models

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (the backend has to be chosen first)

ROOT: Path = Path(__file__).resolve().parent
ADAPTERS: Path = ROOT.parent / "models" / "adapters"
WORK: Path = Path(os.environ.get("LOAM_TRAINING_CACHE", Path.home() / ".cache" / "loam" / "training"))


@dataclass
class Progress:
    """How far a run has come; what a checkpoint holds beside tensors."""

    seconds: float = 0.0
    tokens: int = 0
    losses: list[float] = field(default_factory=list)

    @property
    def step(self) -> int:
        return len(self.losses)

    def share(self, settings: dict[str, Any]) -> float:
        """Of the run's steps or minutes, whichever are nearer to their end."""
        return max(self.step / settings["steps"], self.seconds / (60 * settings["minutes"]))


def learning_rate(progress: Progress, settings: dict[str, Any]) -> float:
    """Linear warm-up, then a cosine down to a twentieth."""
    warm = min(1.0, (progress.step + 1) / settings["warmup_steps"])
    fall = 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress.share(settings))))
    return settings["learning_rate"] * warm * fall


def learned(model: PeftModel) -> dict[str, torch.nn.Parameter]:
    """The adapter's parameters by name."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def checkpoint(path: Path, model: PeftModel, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
    """Replaces the file in one move, so that a stop in between loses nothing."""
    partial = path.with_suffix(".partial")
    state = {"adapter": learned(model), "optimizer": optimizer.state_dict(), "progress": vars(progress)}
    torch.save(state, partial)
    partial.replace(path)


def resume(path: Path, model: PeftModel, optimizer: torch.optim.Optimizer) -> Progress:
    """The state in `path`, or a fresh one if there is none."""
    if not path.exists():
        return Progress()
    state = torch.load(path, weights_only=True)
    with torch.no_grad():
        for name, value in learned(model).items():
            value.copy_(state["adapter"][name])
    optimizer.load_state_dict(state["optimizer"])
    return Progress(**state["progress"])


def draw(losses: list[float], name: str, path: Path, window: int = 20) -> None:
    """The loss of each step and its running mean."""
    means = [sum(losses[max(0, i - window + 1) : i + 1]) / min(window, i + 1) for i in range(len(losses))]
    figure, axes = pyplot.subplots(figsize=(6, 3.2), layout="constrained")
    axes.plot(losses, color="#b8c4b0", linewidth=0.8, label="step")
    axes.plot(means, color="#3f6b35", linewidth=1.8, label=f"mean of {window}")
    axes.set(title=f"{name}: loss of the answers' tokens", xlabel="step", ylabel="nats per token", ylim=(0, None))
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def train(config: dict[str, Any], work: Path, out: Path) -> None:
    """Runs the training loop and writes the adapter's folder."""
    settings = config["training"]
    torch.manual_seed(settings["seed"])
    tokenizer = models.tokenizer()
    limit = config["data"]["max_tokens"]
    examples = [data.encode(tokenizer, config["instructions"], e, limit) for e in data.load(config).train]
    examples = [e for e in examples if len(e) <= limit]
    # The frozen weights in bfloat16 keep the multiplications on the processor's matrix units.
    model = models.with_lora(models.frozen(dtype=torch.bfloat16), config["lora"])
    parameters = list(learned(model).values())
    print(f"{len(examples)} examples, {sum(map(len, examples)) / len(examples):.0f} tokens each; "
          f"{sum(p.numel() for p in parameters):,} parameters learn")
    optimizer = torch.optim.AdamW(parameters, lr=settings["learning_rate"], weight_decay=0.0)
    path = work / f"{config['name']}.pt"
    progress = resume(path, model, optimizer)
    stream = islice(data.batches(examples, settings["batch"], settings["seed"]), progress.step, None)
    with tqdm(total=settings["steps"], initial=progress.step, desc=config["name"], mininterval=5) as bar:
        while progress.share(settings) < 1:
            begun = time.monotonic()
            tokens, targets = next(stream)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(progress, settings)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = models.answer_loss(model, tokens, targets)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, settings["clip"])
            optimizer.step()
            optimizer.zero_grad()
            progress.losses.append(loss.item())
            progress.tokens += tokens.numel()
            progress.seconds += time.monotonic() - begun
            bar.update()
            bar.set_postfix(loss=f"{loss.item():.3f}", tokens_per_s=f"{progress.tokens / progress.seconds:.0f}")
            if progress.step % settings["checkpoint_steps"] == 0:
                checkpoint(path, model, optimizer, progress)
    checkpoint(path, model, optimizer, progress)
    models.save(model, config, out)
    (ROOT / "curves").mkdir(exist_ok=True)
    draw(progress.losses, config["name"], ROOT / "curves" / f"{config['name']}.png")
    print(f"{progress.step} steps, {progress.tokens} tokens, {progress.seconds:.0f} s")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("config", type=Path)
    arguments.add_argument("--work", type=Path, default=WORK, help="where checkpoints go")
    arguments.add_argument("--out", type=Path, help="the adapter's folder")
    arguments.add_argument("--threads", type=int, default=2)
    chosen = arguments.parse_args()
    torch.set_num_threads(chosen.threads)
    config = tomllib.loads(chosen.config.read_text())
    chosen.work.mkdir(parents=True, exist_ok=True)
    train(config, chosen.work, chosen.out or ADAPTERS / config["name"])


if __name__ == "__main__":
    main()
