"""Writes the tiny models of tiny.py as Hugging Face checkpoints with their logits.

Each folder holds config.json and model.safetensors as transformers writes them,
config.v4.json in the spelling of transformers 4 (most checkpoints in use are
that old), and expected.safetensors: `tokens` [T] and `logits` [T, vocab] of the
eager fp32 model. Before it is kept, the checkpoint is read back under both
configurations and must give the same logits bit for bit.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, PreTrainedModel

import paths
import tiny

# Small enough that the 100 kB checkpoint falls into several files.
SHARD_SIZE = "40KB"


def fresh(folder: Path) -> Path:
    """An empty `folder`, so that no file of an earlier run survives."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def v4_config(config: dict[str, Any]) -> dict[str, Any]:
    """The same configuration in the spelling of transformers 4."""
    old = dict(config)
    old["torch_dtype"] = old.pop("dtype")
    old["transformers_version"] = "4.51.0"
    rope = old.pop("rope_parameters")
    old.pop("layer_types", None)
    if "full_attention" in rope:
        old["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
        rope = rope["full_attention"]
    rope = dict(rope)
    old["rope_theta"] = rope.pop("rope_theta")
    old["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    if "_sliding_window_pattern" in old:
        old["sliding_window_pattern"] = old.pop("_sliding_window_pattern")
    return old


def read_back(folder: Path, config_file: str) -> PreTrainedModel:
    """The checkpoint as a user would load it, upcast to fp32."""
    settings = json.loads((folder / config_file).read_text())
    config_class = transformers.CONFIG_MAPPING[settings["model_type"]]
    config = config_class.from_dict(settings)
    model = AutoModelForCausalLM.from_pretrained(
        folder, config=config, dtype=torch.float32, attn_implementation="eager"
    )
    return model.eval()


def write(variant: tiny.Variant, name: str, dtype: torch.dtype, **save: Any) -> None:
    """Saves `variant` in `dtype` as fixture `name` and checks what was saved."""
    folder = fresh(paths.MODELS / name)
    tokens = variant.tokens()
    variant.model().to(dtype).save_pretrained(folder, **save)
    (folder / "generation_config.json").unlink(missing_ok=True)
    # Layer types without a period cannot be said in the old spelling.
    spellings = ["config.json"]
    if "layer_types" not in variant.changes:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.v4.json").write_text(json.dumps(v4_config(config), indent=2, sort_keys=True) + "\n")
        spellings.append("config.v4.json")
    logits = [tiny.logits(read_back(folder, spelling), tokens) for spelling in spellings]
    if any(not torch.equal(logits[0], other) for other in logits):
        raise SystemExit(f"{name}: the two configurations give different logits")
    save_file({"tokens": tokens, "logits": logits[0]}, folder / "expected.safetensors")
    size = sum(f.stat().st_size for f in folder.iterdir())
    spread, peak = logits[0].std().item(), logits[0].abs().max().item()
    print(f"{name:18} {size / 1e3:7.0f} kB   logits: std {spread:5.2f}, max {peak:6.2f}   {variant.catches}")


def main() -> None:
    for variant in tiny.VARIANTS:
        write(variant, variant.name, torch.float32)
    llama2 = tiny.variant("llama2")
    write(llama2, "llama2-sharded", torch.float32, max_shard_size=SHARD_SIZE)
    write(llama2, "llama2-f16", torch.float16)
    write(llama2, "llama2-bf16", torch.bfloat16)


if __name__ == "__main__":
    main()
