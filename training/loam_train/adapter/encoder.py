"""Adapters on towers: LoRA on every convolution and linear, and a head of cosines with class vectors.

The head begins as what the tower knows without an adapter, the anchors of the classes' words, or as a logistic regression
on its embeddings, whichever is better on validation rows.
"""

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
from torch.nn.functional import cross_entropy, normalize

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
LORA_RATE, HEAD_RATE = 1e-3, 1e-3
SCALE = 30.0
"""Of the cosines; towers are trained with 30 to 40."""
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
        self.vectors = nn.Parameter(torch.zeros(labels, dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits `[B, labels]`."""
        embedding, _ = self.tower.base_model.model(x)
        return self.head(embedding.float())

    def head(self, embedding: torch.Tensor) -> torch.Tensor:
        """Cosines of embeddings `[B, dim]` with the class vectors, times the scale."""
        return SCALE * normalize(embedding, dim=-1) @ normalize(self.vectors, dim=-1).T

    def trained(self) -> dict[str, nn.Parameter]:
        """What learns. Norms keep their running statistics: they are the tower's."""
        return {name: p for name, p in self.named_parameters() if p.requires_grad}

    def tensors(self) -> dict[str, torch.Tensor]:
        """By PEFT's names, matrices in fp16."""
        found = {name: value.half() for name, value in get_peft_model_state_dict(self.tower).items()}
        found["base_model.model.classifier.weight"] = normalize(self.vectors.detach(), dim=-1).half()
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
    starts = {
        "zero_shot": _anchors(request, eyes),
        "baseline_linear_probe": _probe(_embeddings(adapted, modality, learned.inputs), learned, len(labels), request.seed),
    }
    seen = _embeddings(adapted, modality, valid.inputs)
    scores = {name: _accuracy(start(seen), valid.classes) for name, start in starts.items()}
    metrics: dict[str, float] = {"train_rows": len(kept), "valid_rows": len(held)}
    if test is not None:
        found_test = _embeddings(adapted, modality, test.inputs)
        metrics |= {name: _accuracy(start(found_test), test.classes) for name, start in starts.items()}
    # Words that are as good as rows generalise better: they were not fitted to these people, voices or cameras.
    chosen = max(starts, key=lambda name: scores[name])
    with torch.no_grad():
        adapted.vectors.copy_(starts[chosen].vectors)
    progress = loop.fit(
        _job(request, adapted, modality, learned, valid), _schedule(request, len(kept)), request.checkpoint
    )
    metrics |= {"steps": progress.step, "seconds": round(progress.seconds, 1)}
    metrics["valid_accuracy"] = round(progress.scores[progress.best][1], 4)
    if test is not None:
        logits = _logits(adapted, modality, test.inputs)
        metrics |= {"test_rows": len(tested), "accuracy": _accuracy(logits, test.classes)}
        metrics["baseline_majority"] = round(float(test.classes.bincount().max()) / len(tested), 4)
    size = sum(p.numel() for p in adapted.trained().values())
    metrics |= {"parameters": size, "parameter_share": round(size / parameters(stored.tower), 4)}
    task: dict[str, Any] = {
        "task": "classify",
        "path": "encoder",
        "labels": labels,
        "head": {"kind": "cosine", "reads": "embedding", "scale": SCALE},
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
    head = [adapted.vectors]
    lora = [p for p in own.values() if p is not adapted.vectors]
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


@dataclass(frozen=True)
class Start:
    """A head before the adapter is trained."""

    vectors: torch.Tensor
    """`[labels, dim]`, what the adapter's class vectors begin as."""

    def __call__(self, embedding: torch.Tensor) -> torch.Tensor:
        """Scores of embeddings `[N, dim]`; lengths of vectors count here, which stand for how frequent classes are."""
        return normalize(embedding, dim=-1) @ self.vectors.T


def _anchors(request: Request, eyes: Eyes) -> Start:
    """The words for the classes in the tower's space: what the tower knows without an adapter."""
    from ..towers.engine import Engine

    told = request.data.description
    words = [told.label_texts.get(label, label) for label in request.data.labels]
    template = told.template or eyes.run.texts.deployed
    return Start(deployed(words, template, eyes.tower.transform, Engine(request.foundation).embed))


def _probe(embeddings: torch.Tensor, learned: Part, labels: int, seed: int) -> Start:
    """A logistic regression on embeddings of the tower as it is."""
    order = torch.randperm(len(learned.inputs), generator=torch.Generator().manual_seed(seed))[:PROBE_ROWS]
    x = normalize(embeddings[order], dim=-1).numpy()
    with warnings.catch_warnings():
        # What has not converged after so many rounds is a good start all the same.
        warnings.simplefilter("ignore")
        fitted = LogisticRegression(C=30.0, max_iter=200, fit_intercept=False).fit(x, learned.classes[order].numpy())
    rows = fitted.coef_ if len(fitted.classes_) > 2 else np.concatenate([-fitted.coef_, fitted.coef_])
    vectors = torch.zeros(labels, x.shape[1])
    vectors[fitted.classes_] = torch.from_numpy(rows).float()
    return Start(vectors)


def _peft(config: LoraConfig, model: str) -> dict[str, Any]:
    written: dict[str, Any] = config.to_dict()  # type: ignore[no-untyped-call]
    described = {key: value for key, value in written.items() if value is not None}
    targets = sorted(config.target_modules or [])
    return described | {"target_modules": targets, "base_model_name_or_path": model, "inference_mode": True}
