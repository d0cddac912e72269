"""SmolLM2-135M in Q4_1 against llama.cpp and against its exact meaning in fp32.

The two references agree with each other on 97.3 % of the 512 positions with a
mean KL of 0.0027 nats, and all of that is llama.cpp rounding activations to 8
bits: given the decoded weights in F32, it agrees with transformers everywhere.
The 14 positions they differ on are near ties, the widest 0.21 logits apart, so
an engine must agree with both wherever the choice is clear.
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

LLAMA_CPP_AGREEMENT = 0.97
FP32_AGREEMENT = 0.99
CLEAR_MARGIN = 0.5
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
    for name, engine, limit in (
        ("llama.cpp", LlamaCpp(paths.SMOLLM2_GGUF), LLAMA_CPP_AGREEMENT),
        ("fp32", GgufInTransformers(paths.SMOLLM2_GGUF), FP32_AGREEMENT),
    ):
        expected = np.concatenate([engine.logits(tokens) for tokens in sequences])
        golden = Golden.of(expected)
        yield at_least(f"top-1 agreement with {name}", agreement(actual, golden), limit)
        clear = clear_agreement(actual, golden, CLEAR_MARGIN)
        yield at_least(f"the same, where {name} is sure", clear, 1.0)
        yield shown(f"mean KL from {name}, nats", mean_kl(golden, actual))
        yield shown(f"perplexity of {name}", perplexity(expected, sequences))
    yield from guarded("loam perplexity", lambda: own_perplexity(loam, sequences[0], rows[0]))


def own_perplexity(loam: Loam, tokens: list[int], logits: np.ndarray) -> Row:
    """The command against the logits of the same engine."""
    told, counted = loam.perplexity(paths.SMOLLM2_GGUF, tokens), perplexity(logits, [tokens])
    return at_most("loam perplexity, relative error", abs(told / counted - 1.0), PERPLEXITY_TOLERANCE)
