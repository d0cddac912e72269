"""A small transformer from text to text, trained from nothing (Vaswani et al. 2017, arXiv 1706.03762)."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from ..clock import computed
from .candidate import Candidate, Model, Pair

PAD, BEGIN, END = 0, 1, 2
SPECIAL = ["<pad>", "<s>", "</s>"]
VOCABULARY = 6_000
WIDTH, HEADS, LAYERS, DROPOUT = 192, 4, 3, 0.2
MOST_TOKENS = 96
BATCH_TOKENS = 2_048
RATE, WARM = 2e-3, 200
SMOOTHING = 0.1
_TOGETHER = 64


class _Network(nn.Module):
    def __init__(self, words: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, WIDTH, padding_idx=PAD)
        nn.init.normal_(self.words.weight, std=WIDTH**-0.5)
        angle = torch.arange(MOST_TOKENS)[:, None] * torch.exp(torch.arange(0, WIDTH, 2) * (-math.log(1e4) / WIDTH))
        self.register_buffer("places", torch.stack([angle.sin(), angle.cos()], -1).flatten(1), persistent=False)
        self.body = nn.Transformer(
            WIDTH, HEADS, LAYERS, LAYERS, 2 * WIDTH, DROPOUT, batch_first=True, norm_first=True,
        )  # fmt: skip
        # Rows of one batch are about as long: nested tensors would gain nothing.
        self.body.encoder.enable_nested_tensor = False

    def _seen(self, ids: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.words(ids) * math.sqrt(WIDTH) + self.get_buffer("places")[: ids.shape[1]]
        return found

    def read(self, ids: torch.Tensor) -> torch.Tensor:
        """States of a text."""
        found: torch.Tensor = self.body.encoder(self._seen(ids), src_key_padding_mask=ids == PAD)
        return found

    def write(self, states: torch.Tensor, ids: torch.Tensor, begun: torch.Tensor) -> torch.Tensor:
        """Logits of what follows each token of `begun`."""
        mask = nn.Transformer.generate_square_subsequent_mask(begun.shape[1])
        found = self.body.decoder(
            self._seen(begun), states, tgt_mask=mask, memory_key_padding_mask=ids == PAD, tgt_is_causal=True,
        )  # fmt: skip
        logits: torch.Tensor = found @ self.words.weight.T
        return logits


def _padded(rows: Sequence[Sequence[int]]) -> torch.Tensor:
    out = torch.zeros(len(rows), max(len(row) for row in rows), dtype=torch.long)
    for place, row in enumerate(rows):
        out[place, : len(row)] = torch.tensor(row)
    return out


def _vocabulary(rows: Sequence[Pair]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator((text for row in rows for text in (row.text, *row.outputs)), trainer)
    return tokenizer


class _Sequence(Model):
    def __init__(self, rows: Sequence[Pair], seconds: float, seed: int) -> None:
        begun = computed()
        torch.manual_seed(seed)
        dice = random.Random(seed)
        self.tokenizer = _vocabulary(rows)
        self.network = _Network(self.tokenizer.get_vocab_size())
        pairs = [(self._ids(row.text), self._ids(row.outputs[0])) for row in rows]
        best = torch.optim.AdamW(self.network.parameters(), RATE, betas=(0.9, 0.98), weight_decay=0.01)
        self.network.train()
        step = 0
        with tqdm(total=round(seconds), desc="transformer", mininterval=2, unit="s", leave=False) as bar:
            while computed() - begun < seconds:
                for batch in self._batches(pairs, dice):
                    spent = computed() - begun
                    bar.update(round(min(spent, seconds)) - bar.n)
                    if spent >= seconds:
                        break
                    step += 1
                    rate = RATE * min(step / WARM, max(0.02, 1 - spent / seconds))
                    for group in best.param_groups:
                        group["lr"] = rate
                    best.zero_grad()
                    loss: torch.Tensor = self._loss([pairs[at] for at in batch])
                    loss.backward()  # type: ignore[no-untyped-call]
                    nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
                    best.step()
        self.network.eval()

    def _ids(self, text: str) -> list[int]:
        return [*self.tokenizer.encode(text).ids[: MOST_TOKENS - 2], END]

    def _batches(self, pairs: Sequence[tuple[list[int], list[int]]], dice: random.Random) -> list[list[int]]:
        """Rows of about one length together."""
        order = sorted(range(len(pairs)), key=lambda at: (len(pairs[at][1]) + dice.random(), len(pairs[at][0])))
        out: list[list[int]] = [[]]
        widest = 0
        for at in order:
            widest = max(widest, len(pairs[at][0]), len(pairs[at][1]))
            if out[-1] and widest * (len(out[-1]) + 1) > BATCH_TOKENS:
                out.append([])
                widest = max(len(pairs[at][0]), len(pairs[at][1]))
            out[-1].append(at)
        dice.shuffle(out)
        return out

    def _loss(self, rows: Sequence[tuple[list[int], list[int]]]) -> torch.Tensor:
        ids, wanted = _padded([row[0] for row in rows]), _padded([row[1] for row in rows])
        begun = torch.cat([torch.full((len(rows), 1), BEGIN), wanted[:, :-1]], 1)
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.network.write(self.network.read(ids), ids, begun)
        return cross_entropy(
            logits.float().flatten(0, 1), wanted.flatten(), ignore_index=PAD, label_smoothing=SMOOTHING
        )

    @torch.no_grad()
    def answers(self, texts: Sequence[str]) -> list[str]:
        out = [""] * len(texts)
        rows = [self._ids(text) for text in texts]
        order = sorted(range(len(rows)), key=lambda at: len(rows[at]))
        for start in range(0, len(order), _TOGETHER):
            some = order[start : start + _TOGETHER]
            ids = _padded([rows[at] for at in some])
            states = self.network.read(ids)
            written = torch.full((len(some), 1), BEGIN)
            ended = torch.zeros(len(some), dtype=torch.bool)
            while not bool(ended.all()) and written.shape[1] < MOST_TOKENS:
                following = self.network.write(states, ids, written)[:, -1].argmax(-1)
                following[ended] = PAD
                written = torch.cat([written, following[:, None]], 1)
                ended |= following == END
            for at, row in zip(some, written.tolist(), strict=True):
                out[at] = self.tokenizer.decode([one for one in row if one > END]).strip()
        return out

    @property
    def size(self) -> int:
        return 2 * sum(value.numel() for value in self.network.parameters())


class Sequences(Candidate):
    """Trained on the set's pairs alone."""

    name = "transformer"

    def learn(self, rows: Sequence[Pair], seconds: float, seed: int) -> Model:
        return _Sequence(rows, seconds, seed)
