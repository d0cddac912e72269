"""Questions with soft tokens in the backbone's chat format: what the engine's `answer` feeds, and what is to come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy, linear
from transformers import DynamicCache

from ..adapter.language import Language

IGNORED = -100
_PLACE = "\x01"
"""Stands for the soft tokens while the chat template is filled; no text has it."""


@dataclass(frozen=True)
class Asked:
    """One question and its answer, in tokens."""

    input: int
    """Which row of the inputs' embeddings it is about."""
    question: list[int]
    """What follows the soft tokens, up to the begin of the answer."""
    answer: list[int]
    """With the token that ends it."""


class Format:
    """The chat format around soft tokens, with one system message."""

    def __init__(self, model: Language, instructions: str) -> None:
        self._model, self._instructions = model, instructions
        self.prefix = self._ids(self._parts("?")[0])

    def _parts(self, question: str) -> list[str]:
        system = [{"role": "system", "content": self._instructions}] if self._instructions else []
        messages = [*system, {"role": "user", "content": _PLACE + question}]
        text: str = self._model.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return text.split(_PLACE)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._model.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def asked(self, row: int, question: str, answer: str) -> Asked:
        """In tokens; the text before and after the soft tokens is tokenized apart, as the engine does."""
        return Asked(row, self._ids(self._parts(question)[1]), [*self._ids(answer), self._model.end])


class Reader:
    """The backbone over a prefix, soft tokens and questions. Its prefix is computed once where its weights stay."""

    def __init__(self, model: Language, prefix: list[int]) -> None:
        self._model = model
        self._prefix = torch.tensor([prefix], device=model.device)
        self._kept: list[tuple[torch.Tensor, torch.Tensor]] | None = None

    def keep_prefix(self) -> None:
        """From now on the prefix's keys and values are those of this moment."""
        cache = DynamicCache()
        with torch.no_grad():
            self._model.model.model(input_ids=self._prefix, past_key_values=cache, use_cache=True)
        layers: list[Any] = list(cache.layers)
        self._kept = [(layer.keys, layer.values) for layer in layers]

    def hidden(self, soft: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Last hidden states of `tokens` `[B, T]` (padded at the right) after `soft` `[B, S, width]`: `[B, T, width]`."""
        llama = self._model.model.model
        words = llama.embed_tokens(tokens.to(self._prefix.device))
        given = torch.cat([soft.to(words), words], 1)
        if self._kept is None:
            before = llama.embed_tokens(self._prefix).expand(len(tokens), -1, -1)
            out = llama(inputs_embeds=torch.cat([before, given], 1), use_cache=False)
        else:
            cache = DynamicCache()
            for layer, (keys, values) in enumerate(self._kept):
                shape = (len(tokens), -1, -1, -1)
                cache.update(keys.expand(*shape), values.expand(*shape), layer)
            out = llama(inputs_embeds=given, past_key_values=cache, use_cache=True)
        states: torch.Tensor = out.last_hidden_state[:, -tokens.shape[1] :]
        return states

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """Of the vocabulary."""
        return linear(states, self._model.model.lm_head.weight).float()

    def loss(self, soft: torch.Tensor, rows: Sequence[Asked]) -> torch.Tensor:
        """Mean cross-entropy of the answers' tokens; only their positions pass the output matrix."""
        tokens, targets = (part.to(self._prefix.device) for part in padded(rows))
        states = self.hidden(soft, tokens)
        counted = targets != IGNORED
        return cross_entropy(self.logits(states[counted]), targets[counted])

    @torch.no_grad()
    def greedy(self, soft: torch.Tensor, rows: Sequence[Asked], most: int) -> list[list[int]]:
        """The most likely continuation of each question, without the token that ends it, at most `most` tokens."""
        end = self._model.end
        written = [list(row.question) for row in rows]
        done = [False] * len(rows)
        for _ in range(most):
            tokens, _ = _filled(written)
            states = self.hidden(soft, tokens)
            last = torch.tensor([len(row) - 1 for row in written])
            found = self.logits(states[torch.arange(len(rows)), last]).argmax(1).tolist()
            for at, token in enumerate(found):
                done[at] = done[at] or token == end
                if not done[at]:
                    written[at].append(token)
            if all(done):
                break
        return [row[len(asked.question) :] for row, asked in zip(written, rows, strict=True)]


def padded(rows: Sequence[Asked]) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens, and for each the next one where it belongs to an answer, `IGNORED` elsewhere."""
    tokens, _ = _filled([(row.question + row.answer)[:-1] for row in rows])
    targets = torch.full_like(tokens, IGNORED)
    for at, row in enumerate(rows):
        first = len(row.question) - 1
        targets[at, first : first + len(row.answer)] = torch.tensor(row.answer)
    return tokens, targets


def _filled(rows: list[list[int]]) -> tuple[torch.Tensor, list[int]]:
    lengths = [len(row) for row in rows]
    out = torch.zeros(len(rows), max(lengths), dtype=torch.long)
    for at, row in enumerate(rows):
        out[at, : len(row)] = torch.tensor(row)
    return out, lengths
