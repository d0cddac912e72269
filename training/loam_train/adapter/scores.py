"""Scores of labels and of texts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import sacrebleu
import torch

from . import heads


def classification(logits: torch.Tensor, targets: torch.Tensor, labels: list[str]) -> dict[str, float]:
    """Accuracy with its standard error, macro F1, and where there is a class out of scope what was recalled of it."""
    found = logits.argmax(1)
    right = (found == targets).float()
    share = float(right.mean())
    scores = {
        "accuracy": share,
        "accuracy_error": math.sqrt(share * (1 - share) / len(targets)),
        "macro_f1": _macro_f1(found, targets),
    }
    outside = heads.outside(labels)
    if outside is not None:
        inner = targets != outside
        scores["in_scope_accuracy"] = float(right[inner].mean()) if bool(inner.any()) else 0.0
        scores["out_of_scope_recall"] = float(right[~inner].mean()) if bool((~inner).any()) else 0.0
        said = found == outside
        scores["out_of_scope_precision"] = float((targets[said] == outside).float().mean()) if bool(said.any()) else 0.0
    return scores


def _macro_f1(found: torch.Tensor, targets: torch.Tensor) -> float:
    """Mean over the classes that the targets have."""
    values = []
    for label in sorted(set(targets.tolist())):
        both = int(((found == label) & (targets == label)).sum())
        values.append(2 * both / int((found == label).sum() + (targets == label).sum()))
    return sum(values) / len(values)


def texts(written: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Share of texts equal to a reference, spaces and case aside, and likeness in characters (chrF, 0 to 1)."""

    def plain(text: str) -> str:
        return " ".join(text.lower().split())

    equal = [plain(text) in {plain(one) for one in right} for text, right in zip(written, references, strict=True)]
    most = max(len(right) for right in references)
    streams = [[right[min(place, len(right) - 1)] for right in references] for place in range(most)]
    return {"exact": sum(equal) / len(equal), "chrf": sacrebleu.corpus_chrf(list(written), streams).score / 100}
