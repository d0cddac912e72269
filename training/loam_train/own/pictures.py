"""Pictures with what people say of them: a captioner (after Vinyals et al. 2015, arXiv 1411.4555) and a pair of towers for
look-ups (after Frome et al. 2013, DeViSE), both trained from nothing on a set's own pictures."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize
from tqdm import tqdm

from ..clock import computed

SIDE = 64
WIDTH = 192
LEAST = 3
"""Times that a word has to occur."""
PAD, BEGIN, END, UNKNOWN = 0, 1, 2, 3
MOST_WORDS = 24
BATCH = 64
RATE = 1e-3
SCALE = 10.0
"""What cosines are multiplied by before they are told apart."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Told:
    """Pictures `[N, 3, SIDE, SIDE]`, 0 to 1, and the texts of each."""

    pictures: torch.Tensor
    texts: list[tuple[str, ...]]


class Words:
    """The words that occur often enough."""

    def __init__(self, texts: Sequence[str]) -> None:
        counts = Counter(word for text in texts for word in _WORD.findall(text.lower()))
        self.names = ["", "", "", "", *sorted(word for word, count in counts.items() if count >= LEAST)]
        self.places = {word: place for place, word in enumerate(self.names) if word}

    def ids(self, text: str) -> list[int]:
        """Places, of at most `MOST_WORDS`."""
        return [self.places.get(word, UNKNOWN) for word in _WORD.findall(text.lower())][:MOST_WORDS]


def eye() -> nn.Sequential:
    """Four steps of half the size each, from pixels to a vector."""
    layers: list[nn.Module] = []
    for before, after in ((3, 32), (32, 64), (64, 128), (128, WIDTH)):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def _changed(pictures: torch.Tensor, dice: random.Random) -> torch.Tensor:
    """Mirrored by half, and shifted by some pixels."""
    moved = torch.roll(pictures, (dice.randint(-6, 6), dice.randint(-6, 6)), (2, 3))
    return moved.flip(3) if dice.random() < 0.5 else moved


def _padded(rows: Sequence[Sequence[int]]) -> torch.Tensor:
    out = torch.zeros(len(rows), max(1, *(len(row) for row in rows)), dtype=torch.long)
    for place, row in enumerate(rows):
        out[place, : len(row)] = torch.tensor(row)
    return out


class _Learner(nn.Module):
    """What both have in common: rows by chance, until the time is over."""

    def loss(self, pictures: torch.Tensor, texts: list[list[int]]) -> torch.Tensor:
        """Of a batch."""
        raise NotImplementedError

    def learn(self, told: Told, words: Words, seconds: float, seed: int) -> None:
        """Learns for at most so many seconds of computing."""
        begun, dice = computed(), random.Random(seed)
        best = torch.optim.AdamW(self.parameters(), RATE, weight_decay=0.02)
        self.train()
        with tqdm(total=round(seconds), desc=type(self).__name__.lower(), unit="s", leave=False) as bar:
            while (spent := computed() - begun) < seconds:
                bar.update(round(spent) - bar.n)
                rows = dice.sample(range(len(told.texts)), min(BATCH, len(told.texts)))
                texts = [words.ids(dice.choice(told.texts[row])) for row in rows]
                for group in best.param_groups:
                    group["lr"] = RATE * max(0.02, 1 - spent / seconds)
                best.zero_grad()
                found = self.loss(_changed(told.pictures[rows], dice), texts)
                found.backward()  # type: ignore[no-untyped-call]
                best.step()
        self.eval()

    @property
    def size(self) -> int:
        """Bytes in fp16."""
        return 2 * sum(value.numel() for value in self.parameters())


class Captioner(_Learner):
    """The picture's vector begins a recurrent network that writes word by word."""

    def __init__(self, words: Words) -> None:
        super().__init__()
        self.words, self.eye = words, eye()
        self.vectors = nn.Embedding(len(words.names), WIDTH, padding_idx=PAD)
        self.unit = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.drop = nn.Dropout(0.4)
        self.names = nn.Linear(WIDTH, len(words.names))

    def loss(self, pictures: torch.Tensor, texts: list[list[int]]) -> torch.Tensor:
        begun, wanted = _padded([[BEGIN, *text] for text in texts]), _padded([[*text, END] for text in texts])
        states, _ = self.unit(self.drop(self.vectors(begun)), torch.tanh(self.eye(pictures))[None].contiguous())
        return cross_entropy(self.names(self.drop(states)).flatten(0, 1), wanted.flatten(), ignore_index=PAD)

    @torch.no_grad()
    def captions(self, pictures: torch.Tensor) -> list[str]:
        """The likeliest word each time."""
        state = torch.tanh(self.eye(pictures))[None].contiguous()
        last = torch.full((len(pictures), 1), BEGIN)
        written: list[torch.Tensor] = []
        for _ in range(MOST_WORDS):
            states, state = self.unit(self.vectors(last), state)
            logits = self.names(states[:, -1])
            logits[:, [PAD, BEGIN, UNKNOWN]] = float("-inf")
            last = logits.argmax(-1, keepdim=True)
            written.append(last)
        out = []
        for row in torch.cat(written, 1).tolist():
            ids = row[: row.index(END)] if END in row else row
            out.append(" ".join(self.words.names[one] for one in ids))
        return out


class Towers(_Learner):
    """A picture's vector and the mean of a text's words, brought together where they belong to each other."""

    def __init__(self, words: Words) -> None:
        super().__init__()
        self.words, self.eye = words, eye()
        self.vectors = nn.Embedding(len(words.names), WIDTH, padding_idx=PAD)
        self.drop = nn.Dropout(0.3)

    def _of_texts(self, texts: list[list[int]]) -> torch.Tensor:
        ids = _padded(texts)
        total = self.drop(self.vectors(ids)).sum(1)
        return normalize(total / (ids != PAD).sum(1, keepdim=True).clamp(min=1), dim=-1)

    def loss(self, pictures: torch.Tensor, texts: list[list[int]]) -> torch.Tensor:
        logits = SCALE * normalize(self.drop(self.eye(pictures)), dim=-1) @ self._of_texts(texts).T
        right = torch.arange(len(pictures))
        return (cross_entropy(logits, right) + cross_entropy(logits.T, right)) / 2

    @torch.no_grad()
    def likeness(self, told: Told) -> list[list[list[float]]]:
        """Of each picture's texts to all pictures."""
        seen = normalize(self.eye(told.pictures), dim=-1)
        found = [self._of_texts([self.words.ids(text) for text in texts]) @ seen.T for texts in told.texts]
        return [[[round(value, 5) for value in row] for row in rows.tolist()] for rows in found]
