"""Hidden states of texts in the frozen model: computed once, read in every pass over the data."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from tqdm import tqdm

from .language import Language

TOKENS_PER_PASS = 768
"""Enough to keep the processor's matrix units busy; more only needs memory."""


@dataclass(frozen=True)
class States:
    """Of many texts, one after the other."""

    values: torch.Tensor
    """`[tokens, width]`, bfloat16."""
    starts: torch.Tensor
    """`[texts + 1]`."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    def length(self, text: int) -> int:
        """Tokens of a text."""
        return int(self.starts[text + 1] - self.starts[text])

    def batch(self, texts: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """`[texts, steps, width]`, padded with zeros at the right, and the lengths."""
        lengths = torch.tensor([self.length(text) for text in texts])
        out = self.values.new_zeros(len(texts), int(lengths.max()), self.values.shape[1])
        for row, text in enumerate(texts):
            out[row, : lengths[row]] = self.values[self.starts[text] : self.starts[text + 1]]
        return out, lengths


def groups(lengths: Sequence[int], tokens: int = TOKENS_PER_PASS) -> Iterator[list[int]]:
    """Indexes in groups of similar length with about `tokens` tokens each."""
    group: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if group and lengths[index] * (len(group) + 1) > tokens:
            yield group
            group = []
        group.append(index)
    if group:
        yield group


def shuffled(lengths: Sequence[int], size: int, seed: str) -> list[list[int]]:
    """One pass over the data in batches of `size`, in which neighbours in length meet; a function of `seed` alone."""
    dice = random.Random(seed)
    order = dice.sample(range(len(lengths)), len(lengths))
    batches: list[list[int]] = []
    for start in range(0, len(order), 16 * size):
        near = sorted(order[start : start + 16 * size], key=lambda i: lengths[i])
        batches += [near[i : i + size] for i in range(0, len(near), size)]
    dice.shuffle(batches)
    return batches


class Passes:
    """Which rows each step of a run learns from: one shuffled pass over the data after another."""

    def __init__(self, lengths: Sequence[int], size: int, seed: int) -> None:
        self._lengths, self._size, self._seed = lengths, size, seed
        self._epoch, self._batches = -1, list[list[int]]()

    def __len__(self) -> int:
        """Batches of one pass."""
        return math.ceil(len(self._lengths) / self._size)

    def batch(self, step: int) -> list[int]:
        """A function of the seed and the step alone, so that a resumed run goes on as if never stopped."""
        epoch, place = divmod(step, len(self))
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, shuffled(self._lengths, self._size, f"{self._seed}:{epoch}")
        return self._batches[place]


def padded(ids: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """`[texts, steps]` token ids, padded at the right, and the lengths: under a causal mask no token sees the padding."""
    lengths = torch.tensor([len(row) for row in ids])
    tokens = torch.zeros(len(ids), int(lengths.max()), dtype=torch.long)
    for row, text in enumerate(ids):
        tokens[row, : len(text)] = torch.tensor(text)
    return tokens, lengths


def through(language: Language, states: torch.Tensor, blocks: range) -> torch.Tensor:
    """States after the last of `blocks`, from those before the first."""
    positions, steps = language.rotary(states), states.shape[1]
    mask = torch.full((1, 1, steps, steps), -torch.inf, dtype=states.dtype).triu(1)
    for index in blocks:
        states = language.blocks[index](states, attention_mask=mask, position_embeddings=positions)
    return states


def mean(language: Language, states: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """`[texts, width]`, fp32: the mean over each text's tokens after the model's last norm, as a head reads it."""
    normed = language.model.model.norm(states).float()
    counted = torch.arange(states.shape[1]).unsqueeze(0) < lengths.unsqueeze(1)
    summed: torch.Tensor = (normed * counted.unsqueeze(-1)).sum(1) / lengths.unsqueeze(1)
    return summed


@torch.no_grad()
def pooled(language: Language, ids: Sequence[Sequence[int]], exits: Sequence[int], title: str) -> torch.Tensor:
    """`[texts, exits, width]`, fp32: mean states after each block count of `exits`, which rise."""
    out = torch.empty(len(ids), len(exits), language.width)
    with tqdm(total=len(ids), desc=title, mininterval=2, unit="text") as bar:
        for group in groups([len(row) for row in ids]):
            tokens, lengths = padded([ids[i] for i in group])
            states, done = language.model.model.embed_tokens(tokens), 0
            for place, end in enumerate(exits):
                states, done = through(language, states, range(done, end)), end
                out[group, place] = mean(language, states, lengths)
            bar.update(len(group))
    return out


@torch.no_grad()
def cached(language: Language, ids: Sequence[Sequence[int]], cut: int, title: str) -> States:
    """States of all tokens after `cut` blocks."""
    starts = torch.cat([torch.zeros(1, dtype=torch.long), torch.tensor([len(row) for row in ids]).cumsum(0)])
    values = torch.empty(int(starts[-1]), language.width, dtype=torch.bfloat16)
    with tqdm(total=len(ids), desc=title, mininterval=2, unit="text") as bar:
        for group in groups([len(row) for row in ids]):
            tokens, lengths = padded([ids[i] for i in group])
            states = through(language, language.model.model.embed_tokens(tokens), range(cut))
            for row, text in enumerate(group):
                values[starts[text] : starts[text + 1]] = states[row, : lengths[row]]
            bar.update(len(group))
    return States(values, starts)


@torch.no_grad()
def continued(language: Language, states: States, blocks: range, texts: Sequence[int]) -> torch.Tensor:
    """`[texts, width]`, fp32: mean states of cached texts after further blocks."""
    out = torch.empty(len(texts), language.width)
    for group in groups([states.length(text) for text in texts]):
        batch, lengths = states.batch([texts[i] for i in group])
        out[group] = mean(language, through(language, batch.to(language.model.dtype), blocks), lengths)
    return out
