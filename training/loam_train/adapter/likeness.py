"""Adapters on towers that bring files and what people say of them together: LoRA alone, for `embed` and `retrieve`.

A batch's files are told apart by their texts and the other way round (Radford et al. 2021, arXiv 2103.00020); the texts stay
where the frozen text encoder and the tower's own transform put them, so that a query needs no adapter.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from typing import Any

import torch
from peft import get_peft_model_state_dict
from torch.nn.functional import cross_entropy, normalize

from ..data import Example
from ..errors import InputError
from ..towers.network import parameters
from . import foundation, loop
from .adapted import Adapted, config_of, embeddings
from .division import divide
from .features import KINDS, Inputs, inputs, open_eyes
from .request import Request, Trained

BATCH = 128
RATE, DECAY = 1e-3, 0.01
SCALE = 20.0
"""What cosines are multiplied by before they are told apart."""
PASSES, LEAST_STEPS = 60, 300
VALIDATIONS, PATIENCE = 12, 4
MOST_VALID = 500
_SEEDS = 1_000_003


def train(request: Request) -> Trained:
    """Trains on files with texts, and says how often the right file is the first for a text.

    Raises:
        InputError: for a tower that was not trained here, and for rows without a file or without texts.
    """
    from ..towers.engine import Engine

    found = foundation.component(request.foundation, request.component)
    eyes = open_eyes(found.entry, request.component)
    modality, data = eyes.modality, request.data
    first = request.review.train[0]
    if first.modality != KINDS[modality.name] or not first.outputs:
        given, expected = f"{first.modality} with {len(first.outputs)} texts", f"{KINDS[modality.name]} with some"
        reason = f"{first.where} is {given}, expected {expected}"
        raise InputError(data.path, reason)
    kept, held = divide(request, MOST_VALID)
    tested = list(data.split("test").examples or held)[: request.test_rows]
    engine = Engine(request.foundation)

    def told(rows: Sequence[Example]) -> list[torch.Tensor]:
        return [eyes.tower.transform.apply(engine.embed(row.outputs)) for row in rows]

    rows = {"learn": kept, "valid": held, "test": tested}
    parts = {name: (inputs(those, data, eyes), told(those)) for name, those in rows.items()}
    torch.manual_seed(request.seed)
    adapted = Adapted(eyes.tower.tower, 1, eyes.tower.transform.mean.shape[0])
    learn, texts = parts["learn"]

    def likeness(name: str) -> torch.Tensor:
        """`[texts, files]`."""
        given, wanted = parts[name]
        return torch.cat(wanted) @ normalize(embeddings(adapted, modality, given), dim=-1).T

    metrics: dict[str, float] = {"train_rows": len(kept), "valid_rows": len(held), "test_rows": len(tested)}
    metrics["base_recall_at_1"] = _recall(likeness("test"), parts["test"][1])

    def loss(step: int) -> torch.Tensor:
        chance = torch.Generator().manual_seed(request.seed * _SEEDS + step)
        dice = random.Random(request.seed * _SEEDS + step)
        rows = torch.randperm(len(learn), generator=chance)[:BATCH]
        batch = learn.at(rows)
        with torch.autocast("cpu", torch.bfloat16):
            vectors = adapted.embedding(modality.augmented(batch.values, batch.extent, chance))
        wanted = torch.stack([texts[row][dice.randrange(len(texts[row]))] for row in rows.tolist()])
        logits = SCALE * normalize(vectors.float(), dim=-1) @ wanted.T
        right = torch.arange(len(rows))
        return (cross_entropy(logits, right) + cross_entropy(logits.T, right)) / 2

    def evaluate() -> loop.Score:
        wanted = parts["valid"][1]
        right = torch.tensor([row for row, those in enumerate(wanted) for _ in those])
        with torch.no_grad():
            value = float(cross_entropy(SCALE * likeness("valid"), right))
        return loop.Score(-value, value)

    own = {name: value for name, value in adapted.trained().items() if not name.startswith("classifier.")}
    steps = max(LEAST_STEPS, PASSES * len(kept) // BATCH)
    schedule = loop.Schedule(steps, 60 * request.minutes, VALIDATIONS, PATIENCE)
    groups = [{"params": list(own.values()), "lr": RATE, "weight_decay": DECAY}]
    digest = _digest(request, found.fingerprint, learn, texts)
    progress = loop.fit(loop.Job(request.name, own, groups, loss, evaluate, digest), schedule, request.checkpoint)
    tensors = {name: value.half() for name, value in get_peft_model_state_dict(adapted.tower).items()}
    # The score is that of the stored values.
    with torch.no_grad():
        for value in own.values():
            value.copy_(value.half().float())
    size = sum(value.numel() for value in tensors.values())
    metrics |= {
        "recall_at_1": _recall(likeness("test"), parts["test"][1]),
        "steps": progress.step, "seconds": round(progress.seconds, 1),
        "parameters": size, "parameter_share": size / parameters(eyes.tower.tower),
    }  # fmt: skip
    task: dict[str, Any] = {"task": "embed", "path": "encoder", "base": {request.component: found.fingerprint}}
    return Trained(tensors, config_of(adapted, found.model, lora=True), task, metrics, progress.losses)


def _recall(likeness: torch.Tensor, texts: Sequence[torch.Tensor]) -> float:
    """Share of texts whose own file is the most like them."""
    right = torch.tensor([row for row, those in enumerate(texts) for _ in those])
    return round(float((likeness.argmax(1) == right).double().mean()), 4)


def _digest(request: Request, fingerprint: str, learn: Inputs, texts: Sequence[torch.Tensor]) -> str:
    """Equal for runs whose checkpoints fit each other."""
    content = [learn.values.contiguous(), torch.cat(list(texts)).contiguous()]
    hashes = [hashlib.sha256(value.numpy().tobytes()).hexdigest() for value in content]
    told = [fingerprint, request.seed, hashes, RATE, DECAY, BATCH, SCALE]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
