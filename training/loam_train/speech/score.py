"""How well a tower hears: decoding as the engine does it, and error rates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from . import mel as mels
from . import text
from .component import Component
from .recordings import Recording

_LEAST = -20.0
"""Tokens less probable than this, relative to the best, extend no text: the engine's bound."""


@dataclass(frozen=True)
class Errors:
    """Edits that make the transcripts of the references, per cent of the references' length."""

    words: float
    characters: float
    utterances: int


def distance(a: Sequence[object], b: Sequence[object]) -> int:
    """Fewest insertions, deletions and substitutions between two sequences."""
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, right in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (left != right))
    return row[-1]


def errors(references: Sequence[str], heard: Sequence[str]) -> Errors:
    """Over all utterances together, as word error rates are usually given."""
    pairs = list(zip(references, heard, strict=True))
    words = sum(distance(a.split(), b.split()) for a, b in pairs) / max(1, sum(len(a.split()) for a, _ in pairs))
    letters = sum(distance(a, b) for a, b in pairs) / max(1, sum(len(a) for a, _ in pairs))
    return Errors(round(100 * words, 2), round(100 * letters, 2), len(pairs))


def greedy(scores: torch.Tensor) -> list[int]:
    """The best token of each frame of `[frames, vocabulary]`, repeats and blanks left out."""
    best: list[int] = torch.unique_consecutive(scores.argmax(-1)).tolist()
    return [token for token in best if token != text.BLANK]


def beam(scores: torch.Tensor, width: int) -> list[int]:
    """The most probable text of `width` that are followed, each summed over its alignments."""
    # Of each text, logarithms of the probabilities of its alignments that end in a blank, and in its last token.
    followed: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, -math.inf)}
    for frame in scores.double().numpy():
        likely = [int(token) for token in np.flatnonzero(frame > frame.max() + _LEAST) if token != text.BLANK]
        found: dict[tuple[int, ...], list[float]] = {}
        for prefix, (blank, token) in followed.items():
            total = _sum(blank, token)
            parts = found.setdefault(prefix, [-math.inf, -math.inf])
            parts[0] = _sum(parts[0], total + frame[text.BLANK])
            if prefix:
                parts[1] = _sum(parts[1], token + frame[prefix[-1]])
            for following in likely:
                # A repeated token is a new one only after a blank.
                start = blank if prefix and following == prefix[-1] else total
                parts = found.setdefault((*prefix, following), [-math.inf, -math.inf])
                parts[1] = _sum(parts[1], start + frame[following])
        best = sorted(found.items(), key=lambda item: -_sum(*item[1]))[:width]
        followed = {prefix: (parts[0], parts[1]) for prefix, parts in best}
    return list(next(iter(followed)))


def _sum(a: float, b: float) -> float:
    """`ln(e^a + e^b)`."""
    high, low = max(a, b), min(a, b)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


def scores(tower: nn.Module, spectrogram: mels.LogMel, samples: np.ndarray) -> torch.Tensor:
    """Log-probabilities `[frames, vocabulary]` of a sound heard in one piece."""
    features = mels.normalised(spectrogram.compute(samples), spectrogram.mel)
    with torch.no_grad():
        logits: torch.Tensor = tower.frames(features.unsqueeze(0))  # type: ignore[operator]
    return logits[0].log_softmax(-1)


def transcribe(
    component: Component, recordings: Sequence[Recording], search: Callable[[torch.Tensor], list[int]]
) -> list[str]:
    """What torch hears in each recording."""
    spectrogram = mels.LogMel(component.mel)
    return [text.decode(search(scores(component.tower, spectrogram, recording.samples))) for recording in recordings]
