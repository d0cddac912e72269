"""Tiny models of every family against transformers in fp32.

Each checkpoint is run as transformers 5 writes it, again under its
transformers-4 configuration, and as GGUF where there is one.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

import paths
from checks import Row, at_most, guarded
from loam import Loam

# Two fp32 implementations that only differ in the order of their sums stay below 1e-5.
TOLERANCE = 1e-4


@torch.no_grad()
def reference(folder: Path, tokens: torch.Tensor) -> np.ndarray:
    """Live logits; the stored ones where there is no checkpoint to run."""
    if not (folder / "config.json").exists():
        return load_file(folder / "expected.safetensors")["logits"].numpy()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    return model.eval()(input_ids=tokens[None], use_cache=False).logits[0].float().numpy()


def is_backbone(folder: Path) -> bool:
    """Whether the fixture is a causal language model: encoders have no GGUF and name no such architecture."""
    config = folder / "config.json"
    architectures = json.loads(config.read_text()).get("architectures") or [] if config.exists() else []
    return (folder / "model.gguf").exists() or any(name.endswith("ForCausalLM") for name in architectures)


def check(loam: Loam) -> Iterator[Row]:
    for folder in sorted(p for p in paths.MODELS.iterdir() if is_backbone(p)):
        tokens = load_file(folder / "expected.safetensors")["tokens"]
        expected = reference(folder, tokens)

        def compare(case: str, model: Path, positions: int | None = None) -> Iterator[Row]:
            ids = tokens.tolist()[:positions]

            def measure() -> Row:
                actual = loam.logits(model, ids)
                return at_most(case, float(np.abs(actual - expected[: len(ids)]).max()), TOLERANCE)

            return guarded(case, measure)

        if (folder / "config.json").exists():
            yield from compare(folder.name, folder)
        if (folder / "config.v4.json").exists():
            with tempfile.TemporaryDirectory() as scratch:
                old = Path(scratch) / folder.name
                shutil.copytree(folder, old, ignore=shutil.ignore_patterns("*.gguf", "config.json"))
                (old / "config.v4.json").rename(old / "config.json")
                yield from compare(f"{folder.name} (v4 config)", old)
        if (folder / "model.gguf").exists():
            # As arch llama the window of Mistral is not applied; within it nothing changes.
            positions = 8 if folder.name == "mistral" else None
            yield from compare(f"{folder.name} (gguf)", folder / "model.gguf", positions)
