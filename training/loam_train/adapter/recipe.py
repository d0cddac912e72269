"""How an adapter that writes is taught: what it changes, and how often it sees the rows."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import PeftModel

from ..arguments import positive
from . import package
from .language import LINEARS, Language, fill, with_lora

ATTENTION = ("q_proj", "v_proj")
REACHES: dict[str, tuple[str, ...]] = {"attention": ATTENTION, "linears": tuple(LINEARS)}


@dataclass(frozen=True)
class Recipe:
    """Of the adapters that write or answer about files."""

    rank: int = 8
    modules: tuple[str, ...] = ATTENTION
    rate: float = 1.5e-3
    """Of learning; what reaches more layers wants less."""
    batch: int = 16
    """Rows of a step."""
    passes: int | None = None
    """Over the rows at most; None for what the task is used to."""
    begin: Path | None = None
    """A package of the same rank and reach whose values learning begins with."""
    device: str = "cpu"
    """Where the backbone computes; towers and projectors stay on the processor."""

    def told(self) -> list[object]:
        """What makes checkpoints fit each other."""
        begun = self.begin and package.digest(package.read(self.begin)[0])
        return [self.rank, list(self.modules), self.rate, self.batch, begun]

    def adapted(self, model: Language) -> PeftModel:
        """The model with a fresh adapter, or the one that is gone on with.

        Raises:
            InputError: for a package of another rank or reach.
        """
        made = with_lora(model, self.rank, list(self.modules), range(len(model.blocks)))
        if self.begin is not None:
            fill(made, package.read(self.begin)[0], self.begin)
        return made

    def autocast(self) -> torch.autocast:
        """In bfloat16, where the backbone computes."""
        return torch.autocast(torch.device(self.device).type, torch.bfloat16)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `read` takes."""
    usual = Recipe()
    group = parser.add_argument_group("adapters on the backbone that write or answer about files")
    group.add_argument("--rank", type=positive, default=usual.rank, help=f"of LoRA (default: {usual.rank})")
    reach = "queries and values (default), or all linear layers: five times as many weights"
    group.add_argument("--reach", choices=REACHES, default="attention", help=reach)
    group.add_argument("--rate", type=_rate, default=usual.rate, help=f"of learning (default: {usual.rate})")
    group.add_argument("--batch", type=positive, default=usual.batch, help=f"rows of a step (default: {usual.batch})")
    group.add_argument("--passes", type=positive, help="over the rows, at most (default: 6; 3 about files)")
    group.add_argument(
        "--begin", type=Path, metavar="PACKAGE", help="go on from this adapter, of the same rank and reach"
    )
    group.add_argument("--device", type=_device, default=usual.device, help="of torch, such as cuda (default: cpu)")


def read(chosen: argparse.Namespace) -> Recipe:
    """The recipe of a command line."""
    return Recipe(
        chosen.rank, REACHES[chosen.reach], chosen.rate, chosen.batch, chosen.passes, chosen.begin, chosen.device
    )


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}, expected a number") from error
    if not 0 < rate <= 1:
        raise argparse.ArgumentTypeError(f"{text}, expected more than 0 and at most 1")
    return rate


def _device(text: str) -> str:
    """Tried at once: what torch lacks would be found after the data was read."""
    try:
        torch.empty(1, device=text)
    except (RuntimeError, AssertionError) as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {str(error).splitlines()[0]}") from error
    return text
