"""Tags of words, and what the sentence is, on the text encoder: LoRA on all of its linear layers, and one linear head.

The head reads the last state of each word's first token, as token classifiers of transformers do, and where rows have a
label too, the mean of all states: joint intent and slots from one pass. The words, and which tags may follow one another,
are those of the engine (core/src/task/tag).
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from torch.nn.functional import cross_entropy, log_softmax
from tqdm import tqdm

from ..clock import computed
from ..data import Example, spans
from ..errors import InputError
from . import foundation, language, loop, states
from .division import divide
from .foundation import Component
from .labelled import HEAD
from .request import Request, Trained
from .sentence import MODULES, RANK, Encoder, lora_config, open_encoder

LEARNING_RATE, HEAD_RATE, HEAD_DECAY = 1.5e-3, 5e-3, 1e-2
BATCH = 32
TRAINING = 0.85
"""Share of the budget for the loop."""
EVALUATIONS, PATIENCE = 8, 4
MOST_PASSES = 24
MOST_VALID = 400
AROUND = "\"'`()[]{}<>.,;:!?…“”„‘’«»"
"""What the engine strips from both ends of a word before it looks for its first token."""
_TOKENS = 2048
"""Of a batch that learns nothing."""
_NONE = -100
"""A target that is not learned from, as torch's cross entropy has it."""


@dataclass
class Sentences:
    """Rows as the model reads them."""

    rows: list[Example]
    ids: list[list[int]]
    firsts: list[list[int]]
    """Of each word its first token by its place in `ids`; -1 for a word that has none."""

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Names:
    """Outputs of the head, in their order."""

    tags: list[str]
    labels: list[str]
    """What a sentence may be."""


def read(rows: Sequence[Example], encoder: Encoder) -> Sentences:
    """Token ids of each row, and where its words begin."""
    ids: list[list[int]] = []
    firsts: list[list[int]] = []
    for row in rows:
        text = " ".join(row.tokens)
        made = encoder.tokenizer(
            text, truncation=True, max_length=encoder.most, return_offsets_mapping=True, return_special_tokens_mask=True
        )
        places = zip(made["offset_mapping"], made["special_tokens_mask"], strict=True)
        starts = [(at, start) for at, ((start, _), special) in enumerate(places) if not special]
        ids.append(list(made["input_ids"]))
        firsts.append(list(_firsts(row.tokens, starts)))
    return Sentences(list(rows), ids, firsts)


def _firsts(words: Sequence[str], starts: list[tuple[int, int]]) -> list[int]:
    """`starts` are tokens with the characters of the joined words at which they begin."""
    found, at, place = [], 0, 0
    for word in words:
        core = word.strip(AROUND) or word
        begin = place + word.index(core)
        while at < len(starts) and starts[at][1] < begin:
            at += 1
        found.append(starts[at][0] if at < len(starts) and starts[at][1] < begin + len(core) else -1)
        place += len(word) + 1
    return found


class Tagger:
    """A copy of the encoder with an adapter and a head: rows for tags, then rows for labels of the sentence."""

    def __init__(self, encoder: Encoder, names: Names, seed: int) -> None:
        torch.manual_seed(seed)
        shape = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=MODULES, lora_dropout=0.0, bias="none")
        self.peft: Any = get_peft_model(copy.deepcopy(encoder.model), shape)
        self.peft.eval()
        self.names = names
        outputs = len(names.tags) + len(names.labels)
        self.weight = nn.Parameter(torch.randn(outputs, encoder.model.config.hidden_size) * 0.02)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def parameters(self) -> dict[str, nn.Parameter]:
        """What learns."""
        return {**language.learned(self.peft), "weight": self.weight, "bias": self.bias}

    def stored(self) -> dict[str, torch.Tensor]:
        """As a package holds them."""
        tensors = {name: value.detach().half() for name, value in language.learned(self.peft).items()}
        return tensors | {HEAD + "weight": self.weight.detach().half(), HEAD + "bias": self.bias.detach().half()}

    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        """Takes what a package holds.

        Raises:
            KeyError: for a tensor that is not of this shape of adapter.
        """
        known = {**language.learned(self.peft), HEAD + "weight": self.weight, HEAD + "bias": self.bias}
        with torch.no_grad():
            for name, value in tensors.items():
                known[name].copy_(value)

    def outputs(self, ids: list[list[int]], firsts: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of tags `[texts, words, tags]`, of words without a token the first one's; of labels `[texts, labels]`."""
        tokens, lengths = states.padded(ids)
        mask = torch.arange(tokens.shape[1])[None] < lengths[:, None]
        found = self.peft(input_ids=tokens, attention_mask=mask.long()).last_hidden_state.float()
        most = max(1, *(len(row) for row in firsts)) if firsts else 1
        places = torch.tensor([[max(0, at) for at in row] + [0] * (most - len(row)) for row in firsts])
        words = found.gather(1, places[..., None].expand(-1, -1, found.shape[-1]))
        mean = (found * mask[..., None]).sum(1) / lengths[:, None]
        count = len(self.names.tags)
        return words @ self.weight[:count].T + self.bias[:count], mean @ self.weight[count:].T + self.bias[count:]

    @torch.no_grad()
    def predict(self, given: Sentences, title: str) -> tuple[list[list[str]], list[str]]:
        """The tags of each row, and what its sentence is; the latter empty texts without labels."""
        tags: list[list[str]] = [[] for _ in given.rows]
        labels = [""] * len(given)
        follows = spans.follows(self.names.tags)
        with tqdm(total=len(given), desc=title, mininterval=2, unit="text") as bar:
            for group in states.groups([len(row) for row in given.ids], _TOKENS):
                firsts = [given.firsts[i] for i in group]
                of_words, of_sentence = self.outputs([given.ids[i] for i in group], firsts)
                scores = log_softmax(of_words, -1).numpy()
                for place, i in enumerate(group):
                    tags[i] = self._tags(scores[place], given.firsts[i], follows)
                    if self.names.labels:
                        labels[i] = self.names.labels[int(of_sentence[place].argmax())]
                bar.update(len(group))
        return tags, labels

    def _tags(self, scores: np.ndarray, firsts: list[int], follows: np.ndarray) -> list[str]:
        told = [word for word, at in enumerate(firsts) if at >= 0]
        found = ["O"] * len(firsts)
        for word, tag in zip(told, spans.best(scores[told], follows), strict=True):
            found[word] = self.names.tags[tag]
        return found


def train(request: Request) -> Trained:
    """Trains a tagger on the text encoder and scores it in fp32, as it is stored.

    Raises:
        InputError: for rows that are not words with tags, and for another encoder than is trained on.
    """
    begun = computed()
    component = foundation.of_kind(request.foundation, "text-encoder")
    encoder = open_encoder(component)
    learn, valid = divide(request, MOST_VALID)
    rows = [*learn, *valid]
    names = Names(
        spans.vocabulary(row.tags for row in rows), sorted({row.label for row in rows if row.label is not None})
    )
    if len(names.tags) < 2:
        raise InputError(request.data.path, "no word of its training rows has a tag other than O")
    test = list(request.data.split("test").examples) or valid
    print(f"{len(names.tags)} tags, {len(names.labels)} labels; {len(learn)} rows, {len(valid)} for validation")
    taught, checked, scored = (read(part, encoder) for part in (learn, valid, test))
    tagger = Tagger(encoder, names, request.seed)
    progress = _fit(request, tagger, taught, checked, _digest(request, component, rows))
    tensors = tagger.stored()
    exact = Tagger(encoder, names, request.seed)
    exact.load(tensors)
    count = sum(value.numel() for value in tensors.values())
    metrics = _scores(exact, scored, "test") | {
        "valid_span_f1": _scores(exact, checked, "validation")["span_f1"],
        "train_rows": len(taught),
        "valid_rows": len(checked),
        "test_rows": len(scored),
        "parameters": count,
        "parameter_share": count / sum(p.numel() for p in encoder.model.parameters()),
        "steps": progress.step,
        "seconds": computed() - begun,
    }
    head: dict[str, Any] = {"kind": "tags"} | ({"sentence": names.labels} if names.labels else {})
    task = {
        "task": "tag", "path": "encoder", "labels": names.tags, "head": head,
        "base": {request.component: component.fingerprint},
    }  # fmt: skip
    return Trained(tensors, lora_config(component, lora=True), task, metrics, progress.losses)


def _scores(tagger: Tagger, given: Sentences, title: str) -> dict[str, float]:
    """`span_f1`; and of sentences with labels their `accuracy`, and `frame_accuracy`: all of a row is right."""
    tags, labels = tagger.predict(given, title)
    right = [list(row.tags) for row in given.rows]
    found = {"span_f1": spans.f1(tags, right)}
    if not tagger.names.labels:
        return found
    alike = [label == row.label for label, row in zip(labels, given.rows, strict=True)]
    whole = [same and spans.of(a) == spans.of(b) for same, a, b in zip(alike, tags, right, strict=True)]
    return found | {"accuracy": float(np.mean(alike)), "frame_accuracy": float(np.mean(whole))}


def _targets(names: Names, given: Sentences) -> tuple[list[list[int]], torch.Tensor]:
    """Numbers of tags, of words without a token none; and of labels."""
    tag = {name: number for number, name in enumerate(names.tags)}
    label = {name: number for number, name in enumerate(names.labels)}
    tags = [
        [tag[name] if at >= 0 else _NONE for name, at in zip(row.tags, firsts, strict=True)]
        for row, firsts in zip(given.rows, given.firsts, strict=True)
    ]
    return tags, torch.tensor([label.get(row.label or "", _NONE) for row in given.rows])


def _fit(request: Request, tagger: Tagger, learn: Sentences, valid: Sentences, digest: str) -> loop.Progress:
    passes = states.Passes([len(row) for row in learn.ids], BATCH, request.seed)
    tags, labels = _targets(tagger.names, learn)

    def loss(step: int) -> torch.Tensor:
        rows = passes.batch(step)
        # Dropout follows from the step alone, so that a resumed run repeats it.
        torch.manual_seed(request.seed * 1_000_003 + step)
        tagger.peft.train()
        # In fp32: sentences are so short that rounding to bf16 takes twice the time that its products save.
        of_words, of_sentence = tagger.outputs([learn.ids[i] for i in rows], [learn.firsts[i] for i in rows])
        tagger.peft.eval()
        most = of_words.shape[1]
        wanted = torch.tensor([tags[i] + [_NONE] * (most - len(tags[i])) for i in rows])
        found = cross_entropy(of_words.flatten(0, 1), wanted.flatten(), ignore_index=_NONE)
        if tagger.names.labels:
            found = found + 0.5 * cross_entropy(of_sentence, labels[rows], ignore_index=_NONE)
        return found

    def evaluate() -> loop.Score:
        scores = _scores(tagger, valid, "validation")
        # Alike by spans, sentences decide; no loss is taken of either.
        return loop.Score(scores["span_f1"], -scores.get("accuracy", 0.0))

    learned = [value for name, value in tagger.parameters().items() if name not in ("weight", "bias")]
    groups = [
        {"params": learned, "lr": LEARNING_RATE, "weight_decay": 0.0},
        {"params": [tagger.weight, tagger.bias], "lr": HEAD_RATE, "weight_decay": HEAD_DECAY},
    ]
    schedule = loop.Schedule(MOST_PASSES * len(passes), TRAINING * 60 * request.minutes, EVALUATIONS, PATIENCE)
    job = loop.Job(request.name, tagger.parameters(), groups, loss, evaluate, digest)
    return loop.fit(job, schedule, request.checkpoint)


def _digest(request: Request, component: Component, rows: Sequence[Example]) -> str:
    """Equal for runs whose checkpoints fit each other."""
    told = [[row.tokens, row.tags, row.label] for row in rows]
    recipe = [RANK, MODULES, LEARNING_RATE, HEAD_RATE, HEAD_DECAY, BATCH]
    return hashlib.sha256(json.dumps([component.fingerprint, request.seed, told, recipe]).encode()).hexdigest()
