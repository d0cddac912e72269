"""The foundation's text encoder, taken out of it and fine-tuned whole for one task."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging as progress

from ..errors import InputError
from .candidate import Choice, Model
from .problem import Part, Problem
from .trained import Draw, Trained

LONGEST = 128
"""Tokens; a task's own limit is where 99 of 100 of its texts end."""
_POOL = 16
"""Batches whose texts are sorted by length together: less padding, still random."""


class _Classifier(nn.Module):
    """Mean of the last states, as the encoder was trained to be read; dropout; a linear layer."""

    def __init__(self, encoder: Any, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(0.1)
        self.classifier = nn.Linear(encoder.config.hidden_size, classes)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask[..., None].float()
        mean = (states.float() * weights).sum(1) / weights.sum(1)
        out: torch.Tensor = self.classifier(self.dropout(mean))
        return out


class Sentences(Trained):
    """MiniLM, end to end; stops where the validation part says so."""

    name = "minilm"
    rates = (6e-5, 2e-4, 5e-4)
    batch = 32
    decay = 0.01
    precision = torch.bfloat16
    watched = True
    epochs = 12.0

    def __init__(self, folder: Path, most: int) -> None:
        """`folder` holds the encoder; it learns from at most `most` rows."""
        if not (folder / "config.json").exists():
            raise InputError(folder, "no text encoder is there; 'loam pull loam-nano' installs one")
        logging.getLogger("transformers").setLevel(logging.ERROR)
        progress.disable_progress_bar()  # type: ignore[no-untyped-call]
        self._folder, self._most = folder, most
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self._lengths: dict[int, torch.Tensor] = {}

    def choose(self, problem: Problem, seconds: float, work: Path) -> Choice:
        return super().choose(self._shortened(problem), seconds, work)

    def fit(self, problem: Problem, choice: Choice, seconds: float, work: Path) -> Model:
        return super().fit(self._shortened(problem), choice, seconds, work)

    def _shortened(self, problem: Problem) -> Problem:
        """A random part of large sets: the time would not suffice to see all rows once."""
        if len(problem.train) <= self._most:
            return problem
        rows = torch.randperm(len(problem.train), generator=torch.Generator().manual_seed(0))[: self._most]
        return replace(problem, train=problem.train.at(rows.sort().values))

    def build(self, problem: Problem) -> tuple[nn.Module, Draw]:
        encoder = AutoModel.from_pretrained(self._folder, dtype=torch.float32)
        lengths = self._length(problem.train)
        limit = max(4, min(LONGEST, int(lengths.double().quantile(0.99)) + 1))

        def draw(part: Part, rows: torch.Tensor, chance: torch.Generator | None) -> tuple[torch.Tensor, ...]:
            texts = [part.texts[row] for row in rows.tolist()]
            found = self._tokenizer(texts, truncation=True, max_length=limit, padding=True, return_tensors="pt")
            return found["input_ids"], found["attention_mask"]

        return _Classifier(encoder, len(problem.labels)), draw

    def _length(self, part: Part) -> torch.Tensor:
        """Tokens of each text, `[N]`."""
        if id(part) not in self._lengths:
            found = self._tokenizer(list(part.texts), truncation=True, max_length=LONGEST)["input_ids"]
            self._lengths = {id(part): torch.tensor([len(ids) for ids in found])}
        return self._lengths[id(part)]

    def order(self, part: Part, epoch: int) -> torch.Tensor:
        rows = super().order(part, epoch)
        lengths = self._length(part)[rows]
        pools = torch.split(torch.arange(len(rows)), _POOL * self.batch)
        alike = [rows[pool[lengths[pool].argsort(stable=True)]] for pool in pools]
        batches = [batch for pool in alike for batch in torch.split(pool, self.batch)]
        # Only the last batch may be short; it stays last, where a pass leaves it out.
        chance = torch.Generator().manual_seed(epoch)
        places = torch.randperm(len(rows) // self.batch, generator=chance).tolist()
        full = [batch for batch in batches if len(batch) == self.batch]
        short = [batch for batch in batches if len(batch) < self.batch]
        return torch.cat([*(full[place] for place in places), *short])
