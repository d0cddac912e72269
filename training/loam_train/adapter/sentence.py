"""Classifiers on the text encoder: LoRA on all of its linear layers, and a linear head on a sentence's vector.

The encoder is a fifth of the backbone's size: this is the quickest way to tell classes of texts on a device. The head begins
as a logistic regression on the frozen encoder's vectors; LoRA stays only where validation rows say that it is better, as on
the backbone.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from safetensors import SafetensorError
from torch import nn
from torch.nn.functional import cross_entropy, normalize
from tqdm import tqdm
from transformers import AutoModel, AutoTokenizer

from .. import reading
from ..clock import computed
from ..errors import InputError
from . import foundation, heads, language, loop, states
from .foundation import Component
from .heads import Head
from .labelled import HEAD, Part, calibrated, measured, parts, template
from .request import Request, Trained

RANK = 16
"""Rank 8 at a rate of 1e-3 brought 78 where this brings 81 (TweetEval, emotion); 4e-3 is too fast."""
MODULES = ["query", "key", "value", "dense"]
"""All linear layers of a block of BERT, by the ends of their names."""
LEARNING_RATE, HEAD_RATE, HEAD_DECAY = 1.5e-3, 5e-3, 1e-2
BATCH = 32
LENGTH = 10.0
"""What vectors of length 1 are multiplied by before the head while it learns: its steps are too small for them otherwise."""
SMOOTHING = 0.05
TRAINING = 0.75
"""Share of the budget for the loop."""
EVALUATIONS, PATIENCE = 12, 4
MOST_PASSES = 16
_TOKENS = 2048
"""Of a batch that learns nothing."""


@dataclass(frozen=True)
class Encoder:
    """The text encoder as sentence-transformers has it: mean of the last states, made a unit vector."""

    model: Any
    tokenizer: Any
    most: int
    """Tokens of a text that are read."""

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Token ids, the first `most` of each text."""
        found = self.tokenizer(texts, truncation=True, max_length=self.most)["input_ids"] if texts else []
        return [list(row) for row in found]


def open_encoder(component: Component) -> Encoder:
    """Reads it.

    Raises:
        InputError: for a component that is no sentence encoder of BERT's kind with mean pooling.
    """
    logging.getLogger("transformers").setLevel(logging.ERROR)
    folder = component.entry
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            tokenizer = AutoTokenizer.from_pretrained(folder)
            # Its pooler is another head, which sentence vectors do not pass.
            model: Any = AutoModel.from_pretrained(folder, dtype=torch.float32, add_pooling_layer=False)
    except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
        raise InputError(folder, f"no text encoder can be read from it: {error}") from error
    if model.config.model_type != "bert":
        raise InputError(folder, f"a model of type {model.config.model_type}; sentence encoders of BERT are trained on")
    pooling, sizes = (_optional(folder / name) for name in ("1_Pooling/config.json", "sentence_bert_config.json"))
    if pooling and not pooling.get("pooling_mode_mean_tokens"):
        raise InputError(folder / "1_Pooling/config.json", "its pooling is not the mean, which is trained on")
    most = sizes.get("max_seq_length", model.config.max_position_embeddings)
    if not isinstance(most, int) or not 3 <= most <= model.config.max_position_embeddings:
        limit = model.config.max_position_embeddings
        raise InputError(folder / "sentence_bert_config.json", f"max_seq_length is {most!r}, expected 3 to {limit}")
    return Encoder(model.requires_grad_(False).eval(), tokenizer, most)


def _optional(path: Path) -> dict[str, Any]:
    return reading.json_object(reading.content(path), path) if path.exists() else {}


def train(request: Request) -> Trained:
    """Trains a classifier on the text encoder and scores it in fp32, as it is stored.

    Raises:
        InputError: for rows that are not texts with classes, and for another encoder than is trained on.
    """
    begun = computed()
    first = request.review.train[0]
    if request.data.task != "classify" or first.modality != "text":
        reason = f"its task is {request.data.task!r} of {first.modality}; on the text encoder texts are classified"
        raise InputError(request.data.path, reason)
    component = foundation.of_kind(request.foundation, "text-encoder")
    encoder = open_encoder(component)
    labels = request.data.labels
    learn, valid, test = parts(request, encoder.encode)
    print(f"{len(labels)} classes; {len(learn)} rows, {len(valid)} for validation")
    frozen = Trainee(encoder, Head(torch.zeros(len(labels), 1), torch.zeros(len(labels))), request.seed)
    seen, checked = (frozen.vectors(part.ids, title) for part, title in ((learn, "vectors"), (valid, "validation")))
    head = heads.best(seen, learn.targets, checked, valid.targets, len(labels))
    bare = heads.accuracy(head(frozen.vectors(test.ids, "frozen")), test.targets)
    trainee = Trainee(encoder, head, request.seed)
    progress = _fit(request, trainee, learn, valid, _digest(request, component, learn, valid))
    before, after = head(checked), trainee.logits(valid.ids, "validation")
    lora = heads.surpasses(after, before, valid.targets)
    tensors = {name: value.detach().half() for name, value in trainee.lora().items()} if lora else {}
    stored = Trainee(encoder, trainee.head() if lora else head, request.seed)
    stored.load(tensors)
    final = calibrated(stored, valid, labels)
    final = Head(final.weight * LENGTH, final.bias)
    stored = Trainee(encoder, Head(final.weight.half().float(), final.bias.half().float()), request.seed)
    stored.load(tensors)
    tensors |= {HEAD + "weight": final.weight.half(), HEAD + "bias": final.bias.half()}
    count = sum(value.numel() for value in tensors.values())
    metrics = measured(stored.logits(test.ids, "test"), learn, valid, test, labels) | {
        "valid_accuracy_before": heads.accuracy(before, valid.targets),
        "valid_accuracy": heads.accuracy(after, valid.targets),
        "lora": float(lora),
        "frozen_accuracy": bare,
        "train_rows": len(learn),
        "parameters": count,
        "parameter_share": count / sum(p.numel() for p in encoder.model.parameters()),
        "steps": progress.step,
        "seconds": computed() - begun,
    }
    task: dict[str, Any] = {
        "task": "classify", "path": "encoder", "labels": labels, "head": {"kind": "linear", "reads": "embedding"},
        "base": {request.component: component.fingerprint}, **template(request),
    }  # fmt: skip
    return Trained(tensors, lora_config(component, lora=lora), task, metrics, progress.losses)


class Trainee:
    """A copy of the encoder with an adapter, and a head that reads its vectors, `LENGTH` long."""

    def __init__(self, encoder: Encoder, head: Head, seed: int) -> None:
        torch.manual_seed(seed)
        shape = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=MODULES, lora_dropout=0.0, bias="none")
        self.peft: Any = get_peft_model(copy.deepcopy(encoder.model), shape)
        self.peft.eval()
        self.weight, self.bias = nn.Parameter(head.weight / LENGTH), nn.Parameter(head.bias.clone())

    def lora(self) -> dict[str, nn.Parameter]:
        """By PEFT's names."""
        return language.learned(self.peft)

    def parameters(self) -> dict[str, nn.Parameter]:
        """What learns."""
        return {**self.lora(), "weight": self.weight, "bias": self.bias}

    def head(self) -> Head:
        """On vectors of length 1."""
        return Head(self.weight.detach() * LENGTH, self.bias.detach().clone())

    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        """Takes LoRA's stored values; without any it has no effect."""
        known = self.lora()
        with torch.no_grad():
            for name, value in tensors.items():
                if name in known:
                    known[name].copy_(value)

    def features(self, ids: list[list[int]]) -> torch.Tensor:
        """`[texts, width]`, each `LENGTH` long."""
        tokens, lengths = states.padded(ids)
        mask = torch.arange(tokens.shape[1])[None] < lengths[:, None]
        found = self.peft(input_ids=tokens, attention_mask=mask.long()).last_hidden_state.float()
        mean = (found * mask[..., None]).sum(1) / lengths[:, None]
        return LENGTH * normalize(mean, dim=-1)

    @torch.no_grad()
    def vectors(self, ids: list[list[int]], title: str) -> torch.Tensor:
        """`[texts, width]`, of length 1."""
        out = torch.empty(len(ids), self.peft.config.hidden_size)
        with tqdm(total=len(ids), desc=title, mininterval=2, unit="text") as bar:
            for group in states.groups([len(row) for row in ids], _TOKENS):
                out[group] = self.features([ids[i] for i in group]) / LENGTH
                bar.update(len(group))
        return out

    def logits(self, ids: list[list[int]], title: str) -> torch.Tensor:
        """`[texts, classes]`."""
        return self.head()(self.vectors(ids, title))


def _fit(request: Request, trainee: Trainee, learn: Part, valid: Part, digest: str) -> loop.Progress:
    passes = states.Passes([len(row) for row in learn.ids], BATCH, request.seed)
    weights = heads.scope_weights(request.data.labels)

    def loss(step: int) -> torch.Tensor:
        rows = passes.batch(step)
        # Dropout follows from the step alone, so that a resumed run repeats it.
        torch.manual_seed(request.seed * 1_000_003 + step)
        trainee.peft.train()
        with torch.autocast("cpu", torch.bfloat16):
            features = trainee.features([learn.ids[i] for i in rows])
        trainee.peft.eval()
        logits = features @ trainee.weight.T + trainee.bias
        return cross_entropy(logits, learn.targets[rows], weight=weights, label_smoothing=SMOOTHING)

    def evaluate() -> loop.Score:
        with torch.autocast("cpu", torch.bfloat16):
            logits = trainee.logits(valid.ids, "validation")
        return loop.Score(heads.accuracy(logits, valid.targets), float(cross_entropy(logits, valid.targets)))

    groups = [
        {"params": list(trainee.lora().values()), "lr": LEARNING_RATE, "weight_decay": 0.0},
        {"params": [trainee.weight, trainee.bias], "lr": HEAD_RATE, "weight_decay": HEAD_DECAY},
    ]
    schedule = loop.Schedule(MOST_PASSES * len(passes), TRAINING * 60 * request.minutes, EVALUATIONS, PATIENCE)
    job = loop.Job(request.name, trainee.parameters(), groups, loss, evaluate, digest)
    return loop.fit(job, schedule, request.checkpoint)


def _digest(request: Request, component: Component, learn: Part, valid: Part) -> str:
    """Equal for runs whose checkpoints fit each other."""
    rows = [learn.texts, learn.targets.tolist(), valid.texts, valid.targets.tolist()]
    recipe = [RANK, MODULES, LEARNING_RATE, HEAD_RATE, HEAD_DECAY, BATCH, LENGTH, SMOOTHING]
    told = [component.fingerprint, request.seed, request.data.labels, rows, recipe]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def lora_config(component: Component, *, lora: bool) -> dict[str, Any]:
    """PEFT's `adapter_config.json`; of a head alone it names no module."""
    return {
        "peft_type": "LORA",
        "base_model_name_or_path": component.model,
        "r": RANK,
        "lora_alpha": 2 * RANK,
        "lora_dropout": 0.0,
        "target_modules": MODULES if lora else [],
        "bias": "none",
        "fan_in_fan_out": False,
        "use_rslora": False,
        "use_dora": False,
        "inference_mode": True,
    }
