"""Linear heads fitted in closed steps: logistic regression on frozen features, temperature, and the bias of one class."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import cross_entropy

PENALTIES = (0.003, 0.03, 0.3)
"""scikit-learn's C for standardised features; the middle one is right for most sets, the others cost little to try."""
ITERATIONS = 100
ABSENT = -20.0
"""Bias of a class that the fitted rows have none of."""
OUT_OF_SCOPE = frozenset({"oos", "out_of_scope", "out-of-scope", "out of scope"})
"""Names of the class of texts that belong to none of the others."""
SCOPE_WEIGHT = 10.0
"""Of the out-of-scope class in the loss: sets have few of its rows, users say many."""
SCOPE_COST = 0.01
"""Accuracy within the scope that may be given for recognising what is outside."""


@dataclass(frozen=True)
class Head:
    """Logits `x W^T + b` of mean states."""

    weight: torch.Tensor
    """`[classes, width]`."""
    bias: torch.Tensor

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        return features @ self.weight.T + self.bias


def fit(features: torch.Tensor, targets: torch.Tensor, classes: int, penalty: float) -> Head:
    """Logistic regression; the features' mean and spread are folded into the head."""
    if int(targets.min()) == int(targets.max()):
        # Rows of one class tell nothing apart.
        bias = torch.full((classes,), ABSENT)
        bias[targets] = 0.0
        return Head(torch.zeros(classes, features.shape[1]), bias)
    mean, spread = features.mean(0), features.std(0).clamp_min(1e-6)
    model = LogisticRegression(C=penalty, max_iter=ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(((features - mean) / spread).numpy(), targets.numpy())
    found, offset = torch.tensor(model.coef_, dtype=torch.float32), torch.tensor(model.intercept_, dtype=torch.float32)
    if len(model.classes_) == 2:
        found, offset = torch.cat([-found, found]) / 2, torch.cat([-offset, offset]) / 2
    weight, bias = torch.zeros(classes, features.shape[1]), torch.full((classes,), ABSENT)
    weight[model.classes_] = found / spread
    bias[model.classes_] = offset - weight[model.classes_] @ mean
    return Head(weight, bias)


def best(
    features: torch.Tensor, targets: torch.Tensor, valid: torch.Tensor, valid_targets: torch.Tensor, classes: int
) -> Head:
    """The regression whose penalty does best on the validation rows."""
    heads = [fit(features, targets, classes, penalty) for penalty in PENALTIES]
    return max(heads, key=lambda head: accuracy(head(valid), valid_targets))


def accuracy(logits: torch.Tensor, targets: torch.Tensor) -> float:
    """Share of rows whose largest logit is their class's."""
    return float((logits.argmax(1) == targets).float().mean())


def temperature(logits: torch.Tensor, targets: torch.Tensor) -> float:
    """What logits are divided by, so that probabilities are as likely as they say; from a grid of 4 % steps."""
    grid = [float(np.exp(step / 25)) for step in range(-40, 81)]
    return min(grid, key=lambda t: float(cross_entropy(logits / t, targets)))


def better(before: torch.Tensor, after: torch.Tensor, draws: int = 1) -> bool:
    """Whether more rows became right than wrong, by a standard error of that difference (as in McNemar's test).

    `before` and `after` say which rows are right; where each row is there `draws` times, these are no further rows.
    """
    gained, lost = int((after & ~before).sum()) / draws, int((before & ~after).sum()) / draws
    return gained - lost > math.sqrt(gained + lost)


def surpasses(after: torch.Tensor, before: torch.Tensor, targets: torch.Tensor) -> bool:
    """Whether logits `after` are right for more rows than `before`: by more than chance, or with likelier targets.

    Likelihoods, each with its own temperature, tell more of a few hundred rows than counts of right ones, where these differ
    by chance; they alone would prefer what is merely surer. Their mean gain is compared with its standard error.
    """
    first, second = (logits.argmax(1) == targets for logits in (before, after))
    if better(first, second):
        return True
    if int(second.sum()) <= int(first.sum()):
        return False
    losses = [
        cross_entropy(logits / temperature(logits, targets), targets, reduction="none") for logits in (before, after)
    ]
    gain = losses[0] - losses[1]
    return float(gain.mean()) > float(gain.std()) / math.sqrt(len(gain))


def outside(labels: list[str]) -> int | None:
    """Index of the class of what is out of scope, if there is one."""
    return next((index for index, label in enumerate(labels) if label.lower() in OUT_OF_SCOPE), None)


def scope_weights(labels: list[str]) -> torch.Tensor:
    """Of each class in the loss, `[classes]`."""
    weights = torch.ones(len(labels))
    found = outside(labels)
    if found is not None:
        weights[found] = SCOPE_WEIGHT
    return weights


def scope_bias(logits: torch.Tensor, targets: torch.Tensor, outside: int) -> float:
    """What to add to the logit of `outside`: recalls most of it at little cost within the scope."""
    inner, added = targets != outside, torch.linspace(-4, 12, 161)

    def scores(bias: float) -> tuple[float, float]:
        shifted = logits.clone()
        shifted[:, outside] += bias
        right = (shifted.argmax(1) == targets).float()
        return float(right[inner].mean()), float(right[~inner].mean())

    if not bool(inner.any()) or bool(inner.all()):
        return 0.0
    found = [(float(bias), *scores(float(bias))) for bias in added]
    least = max(within for _, within, _ in found) - SCOPE_COST
    return max((f for f in found if f[1] >= least), key=lambda f: f[1] + f[2])[0]
