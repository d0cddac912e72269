"""What `encoders.py` needs to know of one encoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import torch

Network = torch.nn.Module


def save_pretrained(model: Any, folder: Path) -> None:
    model.save_pretrained(folder)


def whole(model: Any, x: torch.Tensor) -> torch.Tensor:
    """Of networks that give the embedding alone."""
    return model(x)


@dataclass(frozen=True)
class Case:
    """One encoder: how it is made and saved, what it reads, and how its embedding is computed."""

    name: str
    modality: str
    make: Callable[[], Network]
    # Extents of Loam's features; the network's input is the same with a batch of one. Of texts: the number of tokens.
    shape: tuple[int, ...]
    # The embedding of a batch of one, as Loam gives it.
    embed: Callable[[Any, torch.Tensor], torch.Tensor] = lambda model, x: model(x).pooler_output
    save: Callable[[Any, Path], None] = save_pretrained
    # The last token of texts whose end stands for them.
    end: int | None = None

    def features(self) -> torch.Tensor:
        """Random input: token ids for texts, else values."""
        if self.modality != "text":
            return torch.randn(self.shape)
        tokens = torch.randint(5, 1000, self.shape)
        if self.end is not None:
            tokens[-1] = self.end
        return tokens
