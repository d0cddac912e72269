"""What is kept of a long logit table, and how two such tables are compared.

A vocabulary of 49,152 makes full logits of a passage a hundred megabytes, so a
golden keeps per position the argmax, the log of the summed exponentials and the
largest logits. That gives top-1 agreement exactly. The divergence is exact too
for the mass on the kept ids, the rest counting as one outcome.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TOP = 32


@dataclass(frozen=True)
class Golden:
    """`argmax` i64 [T], `logsumexp` f32 [T], `top_ids` i32 and `top_logits` f32 [T, TOP]."""

    argmax: np.ndarray
    logsumexp: np.ndarray
    top_ids: np.ndarray
    top_logits: np.ndarray

    @staticmethod
    def of(logits: np.ndarray) -> Golden:
        """The golden of `[T, vocab]` logits."""
        ids = np.argsort(-logits, axis=1, kind="stable")[:, :TOP]
        return Golden(
            argmax=ids[:, 0].astype(np.int64),
            logsumexp=logsumexp(logits),
            top_ids=ids.astype(np.int32),
            top_logits=np.take_along_axis(logits, ids, axis=1).astype(np.float32),
        )

    def tensors(self) -> dict[str, np.ndarray]:
        return {
            "argmax": self.argmax,
            "logsumexp": self.logsumexp,
            "top_ids": self.top_ids,
            "top_logits": np.ascontiguousarray(self.top_logits),
        }


def logsumexp(logits: np.ndarray) -> np.ndarray:
    wide = logits.astype(np.float64)
    peak = wide.max(axis=1)
    return (peak + np.log(np.exp(wide - peak[:, None]).sum(axis=1))).astype(np.float32)


def agreement(logits: np.ndarray, golden: Golden) -> float:
    """The share of positions at which both prefer the same token."""
    return float((logits.argmax(axis=1) == golden.argmax).mean())


def clear_agreement(logits: np.ndarray, golden: Golden, margin: float) -> float:
    """Agreement where the golden's first choice leads its second by `margin` logits or more."""
    clear = golden.top_logits[:, 0] - golden.top_logits[:, 1] >= margin
    return float((logits.argmax(axis=1) == golden.argmax)[clear].mean())


def mean_kl(golden: Golden, logits: np.ndarray) -> float:
    """Mean KL(golden || logits) in nats over the kept ids and the rest as one outcome."""
    p = golden.top_logits.astype(np.float64) - golden.logsumexp[:, None]
    q = np.take_along_axis(logits, golden.top_ids.astype(np.int64), axis=1).astype(np.float64)
    q = q - logsumexp(logits)[:, None]
    tail_p = np.maximum(1.0 - np.exp(p).sum(axis=1), 1e-12)
    tail_q = np.maximum(1.0 - np.exp(q).sum(axis=1), 1e-12)
    kept = (np.exp(p) * (p - q)).sum(axis=1)
    return float((kept + tail_p * np.log(tail_p / tail_q)).mean())


def perplexity(logits: np.ndarray, sequences: list[list[int]]) -> float:
    """Of every token after the first of its passage."""
    losses: list[float] = []
    start = 0
    for tokens in sequences:
        rows = logits[start : start + len(tokens) - 1].astype(np.float64)
        peak = rows.max(axis=1, keepdims=True)
        scores = rows - peak - np.log(np.exp(rows - peak).sum(axis=1, keepdims=True))
        losses += list(-scores[np.arange(len(rows)), tokens[1:]])
        start += len(tokens)
    return float(np.exp(np.mean(losses)))
