"""Classifiers on the backbone: LoRA on some middle blocks, a linear head on the mean state, and nothing above run at all.

The head begins as a logistic regression on the frozen model's states. LoRA stays only where validation rows say that it is
better than that: of a hundred rows it often learns nothing but these, and a head alone is a hundredth of the size.
"""

from __future__ import annotations

import copy
import hashlib
import json

import torch
from torch import nn
from torch.nn.functional import cross_entropy, dropout
from tqdm import tqdm

from ..clock import computed
from . import heads, language, loop, plan, states
from .foundation import Component
from .heads import Head
from .labelled import HEAD, Part, calibrated, measured, parts, template
from .language import Language
from .plan import Plan
from .request import Request, Trained
from .states import States

RANK = 8
LEARNING_RATE, HEAD_RATE = 5e-4, 2e-3
HEAD_DECAY = 1e-2
BATCH = 16
DROPOUT = 0.1
"""Of the features that the head reads."""
SMOOTHING = 0.1
"""Of the targets: the regression that the head begins with leaves next to no loss on small sets, so nothing to learn."""
MOST_TOKENS = 512
"""Of a text in training; on the device longer ones are read whole."""
TRAINING = 0.6
"""Share of the budget for the loop; the rest is for states before it and scores after it."""
EVALUATIONS, PATIENCE = 12, 4
PASSES, ROWS_IN_ALL = (6, 24), 40_000
"""Fewer rows are passed over more often, within these bounds."""
MOST_FEATURES = 6000
"""Rows that logistic regression is fitted to: the head's beginning, which training improves."""


def train(request: Request, component: Component) -> Trained:
    """Trains a classifier and scores it in fp32, as it is stored."""
    begun = computed()
    exact = language.load(component)
    labels = request.data.labels
    learn, valid, test = parts(request, lambda texts: exact.encode(texts, MOST_TOKENS))
    half = Language(exact.tokenizer, copy.deepcopy(exact.model).to(torch.bfloat16))
    digest = _digest(request, component, learn, valid)
    decided = _plan(request, half, learn, valid, len(labels), digest)
    print(
        f"{len(labels)} classes; {len(learn)} rows, {decided.rows} of them used, {len(valid)} for validation; "
        f"adapter on blocks {decided.cut + 1} to {decided.exit} of {len(half.blocks)}"
    )
    before = states.cached(half, learn.first(decided.rows).ids, decided.cut, "states")
    held = states.cached(half, valid.ids, decided.cut, "states, validation")
    upper = range(decided.cut, decided.exit)
    known = range(min(MOST_FEATURES, decided.rows))
    seen, checked = states.continued(half, before, upper, known), states.continued(half, held, upper, range(len(held)))
    head = heads.best(seen, learn.targets[known], checked, valid.targets, len(labels))
    before_logits = head(checked)
    frozen = heads.accuracy(head(states.pooled(half, test.ids, [decided.exit], "frozen")[:, 0]), test.targets)
    trainee = Trainee(half, head, decided, request.seed)
    progress = _fit(request, trainee, (before, learn.targets), (held, valid.targets), digest)
    after_logits = trainee.held(held)
    lora = heads.surpasses(after_logits, before_logits, valid.targets)
    tensors = {name: value.detach().half() for name, value in trainee.parameters().items()} if lora else {}
    # The scores are those of the stored values in fp32, which is nearer to the engine's arithmetic than bfloat16.
    stored = Trainee(exact, head, decided, request.seed)
    stored.load(tensors)
    head = calibrated(stored, valid, labels)
    tensors |= {HEAD + "weight": head.weight.half(), HEAD + "bias": head.bias.half()}
    stored.load(tensors)
    count = sum(value.numel() for value in tensors.values())
    metrics = measured(stored.logits(test.ids, "test"), learn, valid, test, labels) | {
        "valid_accuracy_before": heads.accuracy(before_logits, valid.targets),
        "valid_accuracy": heads.accuracy(after_logits, valid.targets),
        "lora": float(lora),
        "frozen_accuracy": frozen,
        "train_rows": decided.rows,
        "parameters": count, "parameter_share": count / (exact.parameters() - count),
        "steps": progress.step, "seconds": computed() - begun,
    }  # fmt: skip
    task = {
        "task": "classify", "path": "backbone", "labels": labels,
        "head": {"kind": "linear", "reads": "mean-state", "layers": decided.exit},
        **template(request),
    }  # fmt: skip
    config = language.config(component, exact, RANK, language.LINEARS if lora else [], upper)
    return Trained(tensors, config, task, metrics, progress.losses)


class Trainee:
    """The frozen model with an adapter on the blocks of a plan and a head after them."""

    def __init__(self, model: Language, head: Head, decided: Plan, seed: int) -> None:
        torch.manual_seed(seed)
        self.language, self.plan = model, decided
        self.peft = language.with_lora(model, RANK, language.LINEARS, range(decided.cut, decided.exit))
        self.weight, self.bias = nn.Parameter(head.weight.clone()), nn.Parameter(head.bias.clone())

    def parameters(self) -> dict[str, nn.Parameter]:
        """What learns, by PEFT's names."""
        return {**language.learned(self.peft), HEAD + "weight": self.weight, HEAD + "bias": self.bias}

    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        """Takes stored values; what a package leaves out stays as it begins, LoRA without an effect."""
        known = self.parameters()
        with torch.no_grad():
            for name, value in tensors.items():
                known[name].copy_(value)

    def features(self, batch: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """`[texts, width]` from states before the adapter's first block."""
        upper = states.through(self.language, batch, range(self.plan.cut, self.plan.exit))
        return states.mean(self.language, upper, lengths)

    def head(self, features: torch.Tensor) -> torch.Tensor:
        """`[texts, classes]`."""
        return features @ self.weight.T + self.bias

    @torch.no_grad()
    def held(self, cached: States) -> torch.Tensor:
        """`[texts, classes]` from states before the adapter's first block, in the precision of training."""
        out = torch.empty(len(cached), len(self.bias))
        for group in states.groups([cached.length(i) for i in range(len(cached))]):
            with torch.autocast("cpu", torch.bfloat16):
                features = self.features(*cached.batch(group))
            out[group] = self.head(features)
        return out

    @torch.no_grad()
    def logits(self, ids: list[list[int]], title: str) -> torch.Tensor:
        """`[texts, classes]` from token ids, through the whole model."""
        out = torch.empty(len(ids), len(self.bias))
        with tqdm(total=len(ids), desc=title, mininterval=2, unit="text") as bar:
            for group in states.groups([len(row) for row in ids]):
                tokens, lengths = states.padded([ids[i] for i in group])
                embedded = self.language.model.model.embed_tokens(tokens)
                lower = states.through(self.language, embedded, range(self.plan.cut))
                out[group] = self.head(self.features(lower, lengths))
                bar.update(len(group))
        return out


def _fit(
    request: Request,
    trainee: Trainee,
    learn: tuple[States, torch.Tensor],
    valid: tuple[States, torch.Tensor],
    digest: str,
) -> loop.Progress:
    cached, targets = learn
    passes = states.Passes([cached.length(i) for i in range(len(cached))], BATCH, request.seed)
    weights = heads.scope_weights(request.data.labels)

    def loss(step: int) -> torch.Tensor:
        rows = passes.batch(step)
        # Randomness that follows from the step alone is the same in a run that is resumed.
        torch.manual_seed(request.seed * 1_000_003 + step)
        with torch.autocast("cpu", torch.bfloat16):
            features = trainee.features(*cached.batch(rows))
        logits = trainee.head(dropout(features, DROPOUT))
        return cross_entropy(logits, targets[rows], weight=weights, label_smoothing=SMOOTHING)

    def evaluate() -> loop.Score:
        held, right = valid
        logits = trainee.held(held)
        return loop.Score(heads.accuracy(logits, right), float(cross_entropy(logits, right)))

    adapter = list(language.learned(trainee.peft).values())
    groups = [
        {"params": adapter, "lr": LEARNING_RATE, "weight_decay": 0.0},
        {"params": [trainee.weight, trainee.bias], "lr": HEAD_RATE, "weight_decay": HEAD_DECAY},
    ]
    count = min(max(ROWS_IN_ALL // len(cached), PASSES[0]), PASSES[1])
    schedule = loop.Schedule(count * len(passes), TRAINING * 60 * request.minutes, EVALUATIONS, PATIENCE)
    job = loop.Job(request.name, trainee.parameters(), groups, loss, evaluate, digest)
    return loop.fit(job, schedule, request.checkpoint)


def _plan(request: Request, half: Language, learn: Part, valid: Part, classes: int, digest: str) -> Plan:
    path = request.checkpoint.with_suffix(".json")
    found = None if request.fresh else plan.stored(path, digest)
    if found is None:
        seconds = 60 * request.minutes
        found = plan.make(half, (learn.ids, learn.targets), (valid.ids, valid.targets), classes, seconds)
        plan.store(path, digest, found)
    return found


def _digest(request: Request, component: Component, learn: Part, valid: Part) -> str:
    """Equal for runs whose checkpoints fit each other."""
    parts = [component.fingerprint, request.seed, request.data.labels, learn.texts, learn.targets.tolist(), valid.texts]
    parts.append(valid.targets.tolist())
    recipe = [RANK, LEARNING_RATE, HEAD_RATE, HEAD_DECAY, BATCH, DROPOUT, SMOOTHING, MOST_TOKENS]
    return hashlib.sha256(json.dumps([parts, recipe]).encode()).hexdigest()
