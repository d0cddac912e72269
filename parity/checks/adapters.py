"""PEFT adapters over the tiny models: the same logits as peft, and clean refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

import paths
import tiny
from checks import Row, at_most, brief, guarded
from loam import Loam, Refused

TOLERANCE = 1e-4


@torch.no_grad()
def reference(folder: Path, base: Path, tokens: torch.Tensor) -> np.ndarray:
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager")
    adapted = PeftModel.from_pretrained(model, folder).eval()
    return adapted(input_ids=tokens[None], use_cache=False).logits[0].float().numpy()


def check(loam: Loam) -> Iterator[Row]:
    # Adapters on encoders name no base; the core tests cover them.
    for folder in sorted(path.parent for path in paths.PEFT.glob("*/base.txt")):
        base = paths.MODELS / (folder / "base.txt").read_text().strip()
        if json.loads((folder / "adapter_config.json").read_text())["task_type"] != "CAUSAL_LM":
            # `loam logits` is for language models; the core tests cover classifiers.
            continue
        tokens = tiny.variant(base.name).tokens()
        if folder.name.startswith("refuse-"):
            yield from guarded(folder.name, lambda: refusal(loam, folder, base, tokens))
        else:
            yield from guarded(folder.name, lambda: parity(loam, folder, base, tokens))


def parity(loam: Loam, folder: Path, base: Path, tokens: torch.Tensor) -> Row:
    actual = loam.logits(base, tokens.tolist(), folder)
    expected = reference(folder, base, tokens)
    return at_most(folder.name, float(np.abs(actual - expected).max()), TOLERANCE)


def refusal(loam: Loam, folder: Path, base: Path, tokens: torch.Tensor) -> Row:
    try:
        loam.logits(base, tokens.tolist(), folder)
    except Refused as error:
        return Row(folder.name, brief(f"refused: {error}"), "refused", True)
    return Row(folder.name, "accepted", "refused", False)
