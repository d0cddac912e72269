"""Writes the SmolLM2 goldens: eight passages, 512 positions, two reference engines.

`prompts.json` holds each passage with its token ids; SmolLM2 puts no BOS in
front. `llama_cpp.safetensors` is what llama.cpp gives on the Q4_1 file,
`transformers_fp32.safetensors` what the same weights mean when decoded to fp32.
The two bracket what may be asked of an engine with its own integer kernels.
"""

from __future__ import annotations

import json

import numpy as np
from safetensors.numpy import save_file

import paths
from goldens import Golden, agreement, mean_kl, perplexity
from make_models import fresh
from reference import GgufInTransformers, LlamaCpp

TOTAL = 512
# Each passage is cut to its share of tokens, and must survive being tokenized again.
PASSAGES: tuple[tuple[int, str], ...] = (
    (
        64,
        "The harbour froze early that year, and the fishing boats lay in the ice like toys somebody had "
        "forgotten to put away. Every morning the children walked out along the pier to see whether the "
        "crack beyond the lighthouse had closed, and every morning their grandmother told them the same "
        "story about the winter when people drove sledges across the bay to the island and back.",
    ),
    (
        60,
        "<|im_start|>system\nYou are a careful assistant who answers in one short paragraph.<|im_end|>\n"
        "<|im_start|>user\nWhy does bread rise, and what happens if I forget the yeast?<|im_end|>\n"
        "<|im_start|>assistant\nBread rises because yeast eats the sugars in the dough and gives off "
        "carbon dioxide, which is trapped by the gluten.",
    ),
    (
        72,
        "def moving_average(values, width):\n    \"\"\"Return the mean of each window of `width` values.\"\"\"\n"
        "    if width < 1:\n        raise ValueError(\"width must be positive\")\n    total = 0.0\n"
        "    result = []\n    for index, value in enumerate(values):\n        total += value\n"
        "        if index >= width:\n            total -= values[index - width]\n"
        "        if index >= width - 1:\n            result.append(total / width)\n    return result\n",
    ),
    (
        56,
        "To repair a flat tyre, first turn the bicycle upside down and release the brake. Take the wheel out, "
        "push the tyre off the rim with two levers, and pull out the inner tube. Pump it up a little and hold "
        "it under water: bubbles show where the hole is. Dry the place, roughen it with sandpaper, and glue on a patch.",
    ),
    (
        72,
        "Table 3. Rainfall at the station in millimetres: January 61, February 48, March 52, April 39, May 44, "
        "June 57, July 68, August 73, September 66, October 81, November 79, December 70. The wettest month "
        "was October and the driest was April; the total for the year is 738 millimetres.",
    ),
    (
        64,
        "Question: A train leaves the city at 9:15 and arrives in the mountains at 11:45. It stops for six "
        "minutes at each of five stations. How long does it actually move?\nAnswer: The whole journey takes two "
        "hours and thirty minutes, which is 150 minutes. The stops take 5 times 6, which is 30 minutes, so the train moves for 120 minutes.",
    ),
    (
        60,
        "Dear Ms. Okafor,\n\nThank you for sending us the samples of your hand-woven baskets. We would be glad "
        "to show twenty of them in our spring exhibition. Could you let us know by Friday which sizes you have "
        "ready, and whether the price includes delivery?\n\nWith kind regards,\nPaula Lindqvist",
    ),
    (
        64,
        "Honey bees tell each other where to find flowers by dancing. When a worker returns to the hive, she "
        "runs in a straight line while shaking her body, then circles back and begins again. The angle of the "
        "line shows the direction relative to the sun, and the length of the run shows how far away the food is.",
    ),
)


def prompts(engine: LlamaCpp) -> list[dict[str, object]]:
    """Each passage cut to its share of tokens, as `text` and `tokens`."""
    result: list[dict[str, object]] = []
    for share, passage in PASSAGES:
        tokens = engine.tokenize(passage)[:share]
        text = engine.detokenize(tokens)
        if len(tokens) != share or engine.tokenize(text) != tokens:
            raise SystemExit(f"this passage cannot be cut to {share} tokens: {passage[:40]}")
        result.append({"text": text, "tokens": tokens})
    return result


def main() -> None:
    folder = fresh(paths.SMOLLM2)
    llama_cpp = LlamaCpp(paths.SMOLLM2_GGUF)
    transformers = GgufInTransformers(paths.SMOLLM2_GGUF)
    rendered = prompts(llama_cpp)
    sequences = [entry["tokens"] for entry in rendered]
    if sum(map(len, sequences)) != TOTAL:
        raise SystemExit(f"the passages have {sum(map(len, sequences))} tokens, not {TOTAL}")
    (folder / "prompts.json").write_text(json.dumps(rendered, ensure_ascii=False, indent=1) + "\n")
    fast = np.concatenate([llama_cpp.logits(tokens) for tokens in sequences])
    exact = np.concatenate([transformers.logits(tokens) for tokens in sequences])
    save_file(Golden.of(fast).tensors(), folder / "llama_cpp.safetensors")
    save_file(Golden.of(exact).tensors(), folder / "transformers_fp32.safetensors")
    print(f"{TOTAL} positions, llama.cpp against transformers fp32:")
    print(f"  top-1 agreement {agreement(fast, Golden.of(exact)):.2%}, mean KL {mean_kl(Golden.of(exact), fast):.5f} nats")
    print(f"  mean |logit difference| {np.abs(fast - exact).mean():.4f}, max {np.abs(fast - exact).max():.3f}")
    print(f"  perplexity: llama.cpp {perplexity(fast, sequences):.4f}, fp32 {perplexity(exact, sequences):.4f}")


if __name__ == "__main__":
    main()
