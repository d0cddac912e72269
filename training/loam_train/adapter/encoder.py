"""Adapters on towers: LoRA on every convolution and linear, and a linear head over classes."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn.functional import cross_entropy

from ..data import Example
from ..errors import InputError
from ..towers.anchors import deployed
from ..towers.modality import Modality
from ..towers.network import parameters
from . import foundation, loop
from .features import KINDS, Eyes, Inputs, inputs, open_eyes
from .request import Request, Trained

RANK, ALPHA = 4, 8
"""Rank 8 brought no more on any set that was tried (see the README)."""
BATCH = 64
LORA_RATE, HEAD_RATE = 1.5e-3, 2e-3
DECAY = 0.01
SMOOTHING = 0.05
"""Of the targets: small sets are learned by heart otherwise."""
EPOCHS = 12
LEAST_STEPS = 300
VALIDATIONS, PATIENCE = 12, 4
VALID_SHARE = 0.1
PROBE_ROWS = 8_000
"""A logistic regression over more takes longer than the adapter."""
_SEEDS = 1_000_003


@dataclass(frozen=True)
class Part:
    """Rows, prepared, with the indexes of their classes."""

    inputs: Inputs
    classes: torch.Tensor


class Adapted(nn.Module):
    """A tower with LoRA and a head on its embedding."""

    def __init__(self, tower: nn.Module, labels: int, dim: int) -> None:
        super().__init__()
        targets = [name for name, m in tower.named_modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Linear)]
        self.config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=targets, lora_dropout=0.0, bias="none")
        self.tower: Any = get_peft_model(tower, self.config)
        self.classifier = nn.Linear(dim, labels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits `[B, labels]`."""
        embedding, _ = self.tower.base_model.model(x)
        logits: torch.Tensor = self.classifier(embedding.float())
        return logits

    def trained(self) -> dict[str, nn.Parameter]:
        """What learns. Norms keep their running statistics: they are the tower's."""
        return {name: p for name, p in self.named_parameters() if p.requires_grad}

    def tensors(self) -> dict[str, torch.Tensor]:
        """By PEFT's names, matrices in fp16."""
        found = {name: value.half() for name, value in get_peft_model_state_dict(self.tower).items()}
        found["base_model.model.classifier.weight"] = self.classifier.weight.detach().half()
        found["base_model.model.classifier.bias"] = self.classifier.bias.detach().float()
        return found


def train(request: Request) -> Trained:
    """Trains on the tower of the component that the request names.

    Raises:
        InputError: for a tower that was not trained here, rows that it does not read, and tasks other than classes.
    """
    found = foundation.component(request.foundation, request.component)
    eyes = open_eyes(found.entry, request.component)
    stored, modality = eyes.tower, eyes.modality
    data, labels = request.data, request.data.labels
    if data.task != "classify":
        raise InputError(
            data.path, f"its task is {data.task!r}; adapters on {request.component!r} are trained to classify"
        )
    first = request.review.train[0]
    if first.modality != KINDS[modality.name]:
        reads = KINDS[modality.name]
        raise InputError(data.path, f"its rows are {first.modality}, component {request.component!r} reads {reads}")

    def prepared(examples: Sequence[Example]) -> Part:
        rows = torch.tensor([labels.index(str(example.label)) for example in examples])
        return Part(inputs(examples, data, eyes), rows)

    kept, held = _divided(request)
    learned, valid = prepared(kept), prepared(held)
    tested = _spread(data.split("test").examples, request.test_rows)
    test = prepared(tested) if tested else None
    torch.manual_seed(request.seed)
    adapted = Adapted(stored.tower, len(labels), stored.transform.mean.shape[0])
    adapted.eval()
    probe = _probe(adapted, modality, learned, len(labels), request.seed)
    metrics: dict[str, float] = {"train_rows": len(kept), "valid_rows": len(held)}
    before = None if test is None else _accuracy(_logits(adapted, modality, test.inputs), test.classes)
    zero = None if test is None else _zero_shot(request, eyes, adapted, test)
    progress = loop.fit(
        _job(request, adapted, modality, learned, valid), _schedule(request, len(kept)), request.checkpoint
    )
    metrics |= {"steps": progress.step, "seconds": round(progress.seconds, 1)}
    metrics["valid_accuracy"] = round(progress.scores[progress.best][1], 4)
    if test is not None and before is not None:
        logits = _logits(adapted, modality, test.inputs)
        metrics |= {"test_rows": len(tested), "accuracy": _accuracy(logits, test.classes)}
        metrics["baseline_linear_probe"] = before
        metrics["baseline_majority"] = round(float(test.classes.bincount().max()) / len(tested), 4)
        if zero is not None:
            metrics["zero_shot"] = zero
    size = sum(p.numel() for p in adapted.trained().values())
    metrics |= {"parameters": size, "parameter_share": round(size / parameters(stored.tower), 4)}
    metrics["probe_rows"] = probe
    task: dict[str, Any] = {
        "task": "classify",
        "path": "encoder",
        "labels": labels,
        "head": {"kind": "linear", "reads": "embedding"},
        "base": {request.component: found.fingerprint},
    }
    return Trained(adapted.tensors(), _peft(adapted.config, found.model), task, metrics, progress.losses)


def _divided(request: Request) -> tuple[list[Example], list[Example]]:
    """Rows to learn from and rows to validate with: the folder's own, else a tenth of each class."""
    valid = list(request.data.split("valid").examples)
    train = request.review.train
    if valid:
        return train, valid
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(request.seed)).tolist()
    wanted = {label: max(1, round(VALID_SHARE * n)) for label, n in _counts(train).items() if n > 2}
    kept, held = [], []
    for row in order:
        label = train[row].label
        if wanted.get(label, 0) > 0:
            wanted[label] -= 1
            held.append(train[row])
        else:
            kept.append(train[row])
    return kept, held


def _counts(examples: Sequence[Example]) -> dict[str | None, int]:
    found: dict[str | None, int] = {}
    for example in examples:
        found[example.label] = found.get(example.label, 0) + 1
    return found


def _spread(examples: Sequence[Example], most: int) -> list[Example]:
    """Evenly over the split, at most that many."""
    if len(examples) <= most:
        return list(examples)
    return [examples[i * len(examples) // most] for i in range(most)]


def _schedule(request: Request, rows: int) -> loop.Schedule:
    steps = max(LEAST_STEPS, EPOCHS * rows // BATCH)
    return loop.Schedule(steps, 60 * request.minutes, VALIDATIONS, PATIENCE)


def _job(request: Request, adapted: Adapted, modality: Modality, learned: Part, valid: Part) -> loop.Job:
    def loss(step: int) -> torch.Tensor:
        chance = torch.Generator().manual_seed(request.seed * _SEEDS + step)
        rows = torch.randint(0, len(learned.inputs), (min(BATCH, len(learned.inputs)),), generator=chance)
        batch = learned.inputs.at(rows)
        x = modality.augmented(batch.values, batch.extent, chance)
        with torch.autocast("cpu", torch.bfloat16):
            logits = adapted(x)
        return cross_entropy(logits.float(), learned.classes[rows], label_smoothing=SMOOTHING)

    def evaluate() -> loop.Score:
        logits = _logits(adapted, modality, valid.inputs)
        return loop.Score(_accuracy(logits, valid.classes), float(cross_entropy(logits, valid.classes)))

    own = adapted.trained()
    head = [p for name, p in own.items() if name.startswith("classifier.")]
    lora = [p for name, p in own.items() if not name.startswith("classifier.")]
    groups = [
        {"params": lora, "lr": LORA_RATE, "weight_decay": DECAY},
        {"params": head, "lr": HEAD_RATE, "weight_decay": DECAY},
    ]
    rows = [len(learned.inputs), len(valid.inputs), request.seed, request.component, request.data.labels]
    digest = hashlib.sha256(json.dumps([rows, learned.classes.tolist()]).encode()).hexdigest()
    return loop.Job(request.name, own, groups, loss, evaluate, digest)


def _logits(adapted: Adapted, modality: Modality, given: Inputs) -> torch.Tensor:
    parts = zip(torch.split(given.values, 256), torch.split(given.extent, 256), strict=True)
    with torch.inference_mode():
        return torch.cat([adapted(modality.prepared(values, extent)) for values, extent in parts])


def _embeddings(adapted: Adapted, modality: Modality, given: Inputs) -> torch.Tensor:
    parts = zip(torch.split(given.values, 256), torch.split(given.extent, 256), strict=True)
    with torch.inference_mode():
        return torch.cat([adapted.tower.base_model.model(modality.prepared(v, e))[0] for v, e in parts])


def _accuracy(logits: torch.Tensor, classes: torch.Tensor) -> float:
    return round(float((logits.argmax(1) == classes).double().mean()), 4)


def _probe(adapted: Adapted, modality: Modality, learned: Part, labels: int, seed: int) -> int:
    """Sets the head to a logistic regression on the tower as it is, and says on how many rows."""
    order = torch.randperm(len(learned.inputs), generator=torch.Generator().manual_seed(seed))[:PROBE_ROWS]
    x = _embeddings(adapted, modality, learned.inputs.at(order)).double().numpy()
    mean, std = x.mean(0), x.std(0) + 1e-6
    with warnings.catch_warnings():
        # What has not converged after so many rounds is a good start all the same.
        warnings.simplefilter("ignore")
        fitted = LogisticRegression(C=0.1, max_iter=200).fit((x - mean) / std, learned.classes[order].numpy())
    weight, bias = np.zeros((labels, x.shape[1])), np.full(labels, -10.0)
    rows = fitted.coef_ if len(fitted.classes_) > 2 else np.concatenate([-fitted.coef_, fitted.coef_]) / 2
    offsets = fitted.intercept_
    if len(fitted.classes_) == 2:
        offsets = np.concatenate([-offsets, offsets]) / 2
    weight[fitted.classes_], bias[fitted.classes_] = rows / std, offsets - rows @ (mean / std)
    with torch.no_grad():
        adapted.classifier.weight.copy_(torch.from_numpy(weight))
        adapted.classifier.bias.copy_(torch.from_numpy(bias))
    return len(order)


def _zero_shot(request: Request, eyes: Eyes, adapted: Adapted, test: Part) -> float:
    """The tower without an adapter, by the words for the classes."""
    from ..towers.engine import Engine

    told = request.data.description
    words = [told.label_texts.get(label, label) for label in request.data.labels]
    template = told.template or eyes.run.texts.deployed
    vectors = deployed(words, template, eyes.tower.transform, Engine(request.foundation).embed)
    x = nn.functional.normalize(_embeddings(adapted, eyes.modality, test.inputs), dim=-1)
    return _accuracy(x @ vectors.T, test.classes)


def _peft(config: LoraConfig, model: str) -> dict[str, Any]:
    written: dict[str, Any] = config.to_dict()  # type: ignore[no-untyped-call]
    described = {key: value for key, value in written.items() if value is not None}
    targets = sorted(config.target_modules or [])
    return described | {"target_modules": targets, "base_model_name_or_path": model, "inference_mode": True}
