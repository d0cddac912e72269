"""Adapters on towers that tell classes.

The head begins as the sum of two: the anchors of the classes' words, what the tower knows without an adapter, and a logistic
regression on the tower's embeddings; or as one of them, where it is better by more than chance. That is judged on validation
rows that were changed at random as in training: a tower may know plain rows by heart. LoRA stays only where it is better by
more than chance, too; else the head alone is the adapter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from ..data import Example
from ..errors import InputError
from ..towers.anchors import deployed
from ..towers.modality import Modality
from ..towers.network import parameters
from . import foundation, loop
from .adapted import Adapted, anchored, config_of, embeddings, joined, logits, probed
from .division import divide
from .features import KINDS, Eyes, Inputs, inputs, open_eyes
from .heads import better
from .request import Request, Trained

BATCH = 64
LORA_RATE, HEAD_RATE = 1.5e-3, 2e-3
DECAY = 0.01
SMOOTHING = 0.05
"""Of the targets: small sets are learned by heart otherwise."""
EPOCHS = 12
LEAST_STEPS = 300
VALIDATIONS, PATIENCE = 12, 4
DRAWS, MOST_VALID = 2, 2_000
"""How often each validation row is changed at random, and how many of them are used."""
_SEEDS = 1_000_003


@dataclass(frozen=True)
class Part:
    """Rows, prepared, with the indexes of their classes."""

    inputs: Inputs
    classes: torch.Tensor


@dataclass(frozen=True)
class Changed:
    """Validation rows, changed at random once and for all."""

    x: torch.Tensor
    classes: torch.Tensor


def train(request: Request) -> Trained:
    """Trains on the tower of the component that the request names.

    Raises:
        InputError: for a tower that was not trained here, rows that it does not read, and tasks other than classes.
    """
    found = foundation.component(request.foundation, request.component)
    eyes = open_eyes(found.entry, request.component)
    modality, data, labels = eyes.modality, request.data, request.data.labels
    _check(request, modality)

    def prepared(examples: Sequence[Example]) -> Part:
        rows = torch.tensor([labels.index(str(example.label)) for example in examples])
        return Part(inputs(examples, data, eyes), rows)

    kept, held = divide(request, MOST_VALID)
    learned, valid = prepared(kept), _changed(prepared(held), modality, request.seed)
    tested = _spread(data.split("test").examples or held, request.test_rows)
    test = prepared(tested)
    torch.manual_seed(request.seed)
    adapted = Adapted(eyes.tower.tower, len(labels), eyes.tower.transform.mean.shape[0])
    seen = embeddings(adapted, modality, learned.inputs)
    starts = {
        "zero_shot": anchored(_anchors(request, eyes), eyes.run.network.logit_scale, seen),
        "baseline_linear_probe": probed(seen, learned.classes, len(labels), request.seed),
    }
    metrics: dict[str, float] = {"train_rows": len(kept), "valid_rows": len(held), "test_rows": len(tested)}
    vectors = embeddings(adapted, modality, test.inputs)
    metrics |= {name: _accuracy(start(vectors), test.classes) for name, start in starts.items()}
    metrics["baseline_majority"] = _accuracy_of(test.classes == learned.classes.mode().values)
    with torch.inference_mode():
        given = torch.cat([adapted.embedding(x) for x in torch.split(valid.x, 256)])
    starts = {"both": joined(starts["zero_shot"], starts["baseline_linear_probe"], seen), **starts}
    before = {name: start(given).argmax(1) == valid.classes for name, start in starts.items()}
    ahead = [name for name in starts if better(before["both"], before[name], DRAWS)]
    chosen = max(ahead, key=lambda name: int(before[name].sum()), default="both")
    adapted.begin(starts[chosen])
    job = _job(request, adapted, modality, learned, valid, found.fingerprint)
    progress = loop.fit(job, _schedule(request, len(kept)), request.checkpoint)
    after = _right(adapted, valid)
    lora = better(before[chosen], after, DRAWS)
    if not lora:
        adapted.begin(starts[chosen])
    tensors = adapted.tensors() if lora else adapted.head()
    # The score is that of the stored values.
    adapted.load(tensors)
    metrics["accuracy"] = _accuracy(logits(adapted, modality, test.inputs), test.classes)
    size = sum(tensor.numel() for tensor in tensors.values())
    metrics |= {
        "valid_accuracy_before": float(before[chosen].double().mean()), "valid_accuracy": float(after.double().mean()),
        "lora": float(lora),
        "steps": progress.step, "seconds": round(progress.seconds, 1),
        "parameters": size, "parameter_share": size / parameters(eyes.tower.tower),
    }  # fmt: skip
    task: dict[str, Any] = {
        "task": "classify",
        "path": "encoder",
        "labels": labels,
        "head": {"kind": "linear", "reads": "embedding"},
        "base": {request.component: found.fingerprint},
    }
    return Trained(tensors, config_of(adapted, found.model, lora), task, metrics, progress.losses)


def _check(request: Request, modality: Modality) -> None:
    data, reads = request.data, KINDS[modality.name]
    if data.task != "classify":
        reason = f"its task is {data.task!r}; adapters on {request.component!r} are trained to classify"
        raise InputError(data.path, reason)
    first = request.review.train[0]
    if first.modality != reads:
        raise InputError(data.path, f"its rows are {first.modality}, component {request.component!r} reads {reads}")


def _spread(examples: Sequence[Example], most: int) -> list[Example]:
    """Evenly over the split, at most that many."""
    if len(examples) <= most:
        return list(examples)
    return [examples[i * len(examples) // most] for i in range(most)]


def _changed(part: Part, modality: Modality, seed: int) -> Changed:
    chance = torch.Generator().manual_seed(seed)
    drawn = [modality.augmented(part.inputs.values, part.inputs.extent, chance) for _ in range(DRAWS)]
    return Changed(torch.cat(drawn), part.classes.repeat(DRAWS))


def _anchors(request: Request, eyes: Eyes) -> torch.Tensor:
    """The words for the classes in the tower's space, `[labels, dim]`."""
    from ..towers.engine import Engine

    told = request.data.description
    words = [told.label_texts.get(label, label) for label in request.data.labels]
    template = told.template or eyes.run.texts.deployed
    return deployed(words, template, eyes.tower.transform, Engine(request.foundation).embed)


def _schedule(request: Request, rows: int) -> loop.Schedule:
    steps = max(LEAST_STEPS, EPOCHS * rows // BATCH)
    return loop.Schedule(steps, 60 * request.minutes, VALIDATIONS, PATIENCE)


def _job(
    request: Request, adapted: Adapted, modality: Modality, learned: Part, valid: Changed, fingerprint: str
) -> loop.Job:
    def loss(step: int) -> torch.Tensor:
        chance = torch.Generator().manual_seed(request.seed * _SEEDS + step)
        rows = torch.randint(0, len(learned.inputs), (min(BATCH, len(learned.inputs)),), generator=chance)
        batch = learned.inputs.at(rows)
        x = modality.augmented(batch.values, batch.extent, chance)
        with torch.autocast("cpu", torch.bfloat16):
            found = adapted(x)
        return cross_entropy(found.float(), learned.classes[rows], label_smoothing=SMOOTHING)

    def evaluate() -> loop.Score:
        found = _scored(adapted, valid)
        return loop.Score(_accuracy(found, valid.classes), float(cross_entropy(found, valid.classes)))

    own = adapted.trained()
    head = list(adapted.classifier.parameters())
    lora = [p for name, p in own.items() if not name.startswith("classifier.")]
    groups = [
        {"params": lora, "lr": LORA_RATE, "weight_decay": DECAY},
        {"params": head, "lr": HEAD_RATE, "weight_decay": DECAY},
    ]
    content = [hashlib.sha256(x.contiguous().numpy().tobytes()).hexdigest() for x in (learned.inputs.values, valid.x)]
    told = [fingerprint, request.seed, request.data.labels, learned.classes.tolist(), valid.classes.tolist(), content]
    digest = hashlib.sha256(json.dumps([told, LORA_RATE, HEAD_RATE, DECAY, BATCH, DRAWS]).encode()).hexdigest()
    return loop.Job(request.name, own, groups, loss, evaluate, digest)


def _accuracy(found: torch.Tensor, classes: torch.Tensor) -> float:
    return _accuracy_of(found.argmax(1) == classes)


def _accuracy_of(right: torch.Tensor) -> float:
    return round(float(right.double().mean()), 4)


def _scored(adapted: Adapted, valid: Changed) -> torch.Tensor:
    with torch.inference_mode():
        return torch.cat([adapted(x) for x in torch.split(valid.x, 256)])


def _right(adapted: Adapted, valid: Changed) -> torch.Tensor:
    return _scored(adapted, valid).argmax(1) == valid.classes
