"""SmolLM2-135M in Q4_1 against llama.cpp and against its exact meaning in fp32.

Loam and llama.cpp both round activations to 8 bits, each in its own way, and
neither is the measure of the other: what is exact are the decoded weights in
fp32 in transformers. So Loam must come as close to that as llama.cpp does, and
must choose the same token wherever the choice is clear: rounding moves a logit
by some tenths, and twice as much between two engines that both round.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

import paths
from checks import Row, at_least, at_most, guarded, shown
from goldens import Golden, agreement, clear_agreement, mean_kl, perplexity
from loam import Loam
from reference import GgufInTransformers, LlamaCpp

# How much further than llama.cpp it may be from fp32: in top-1 agreement, and as a factor of the divergence.
FURTHER = 0.01
WIDER = 1.25
# Two engines that round differ from each other by what both differ from fp32.
MUTUAL_AGREEMENT = 0.95
CLEAR_MARGIN = 1.0
# The command may batch differently, no more.
PERPLEXITY_TOLERANCE = 1e-3


def check(loam: Loam) -> Iterator[Row]:
    prompts = json.loads((paths.SMOLLM2 / "prompts.json").read_text())
    sequences: list[list[int]] = [prompt["tokens"] for prompt in prompts]
    rows: list[np.ndarray] = []

    def run() -> Row:
        rows.extend(loam.logits(paths.SMOLLM2_GGUF, tokens) for tokens in sequences)
        return shown("perplexity of loam", perplexity(np.concatenate(rows), sequences))

    yield from guarded("loam logits", run)
    if len(rows) < len(sequences):
        return
    actual = np.concatenate(rows)
    theirs, exact = (
        np.concatenate([engine.logits(tokens) for tokens in sequences])
        for engine in (LlamaCpp(paths.SMOLLM2_GGUF), GgufInTransformers(paths.SMOLLM2_GGUF))
    )
    fp32, llama = Golden.of(exact), Golden.of(theirs)
    own, divergence = agreement(theirs, fp32), mean_kl(fp32, theirs)
    yield shown("top-1 agreement of llama.cpp with fp32", own)
    yield at_least("top-1 agreement with fp32", agreement(actual, fp32), own - FURTHER)
    yield shown("mean KL of llama.cpp from fp32, nats", divergence)
    yield at_most("mean KL from fp32, nats", mean_kl(fp32, actual), divergence * WIDER)
    yield at_least("top-1 agreement with llama.cpp", agreement(actual, llama), MUTUAL_AGREEMENT)
    for name, golden in (("fp32", fp32), ("llama.cpp", llama)):
        yield at_least(f"the same, where {name} is sure", clear_agreement(actual, golden, CLEAR_MARGIN), 1.0)
    for name, logits in (("fp32", exact), ("llama.cpp", theirs)):
        yield shown(f"perplexity of {name}", perplexity(logits, sequences))
    yield from guarded("loam perplexity", lambda: own_perplexity(loam, sequences[0], rows[0]))


def own_perplexity(loam: Loam, tokens: list[int], logits: np.ndarray) -> Row:
    """The command against the logits of the same engine."""
    told, counted = loam.perplexity(paths.SMOLLM2_GGUF, tokens), perplexity(logits, [tokens])
    return at_most("loam perplexity, relative error", abs(told / counted - 1.0), PERPLEXITY_TOLERANCE)
