"""A random LoRA on every linear, once as PEFT writes it and once as llama.cpp reads it, with equal values."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import save_file

from places import finished
from shapes import HUGGING_FACE, Shape

RANK, ALPHA = 16, 32
A_SPREAD, B_SPREAD = 0.02, 0.02


def pairs(shape: Shape, seed: int) -> Iterator[tuple[int, str, np.ndarray, np.ndarray]]:
    """Layer, linear, A and B; both are random, for a fresh adapter's B = 0 would change nothing.

    Values are exact in F16, so that no engine gains or loses by the type that it keeps them in.
    """
    random = np.random.default_rng(seed)

    def normal(extent: tuple[int, int], spread: float) -> np.ndarray:
        drawn = random.standard_normal(extent, dtype=np.float32) * spread
        return drawn.astype(np.float16).astype(np.float32)

    for layer in range(shape.layers):
        for linear, (outputs, inputs) in shape.linears().items():
            yield layer, linear, normal((RANK, inputs), A_SPREAD), normal((outputs, RANK), B_SPREAD)


def gguf_rows(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows of q or k in the order of GGUF, which rotates neighbours where PEFT rotates halves of a head."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(rows.shape)


def write_peft(shape: Shape, seed: int, folder: Path) -> None:
    """What save_pretrained of PEFT leaves."""
    tensors = {}
    for layer, linear, a, b in pairs(shape, seed):
        name = f"base_model.model.model.layers.{layer}.{HUGGING_FACE[linear]}"
        tensors[f"{name}.lora_A.weight"], tensors[f"{name}.lora_B.weight"] = a, b
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": shape.name,
        "r": RANK,
        "lora_alpha": ALPHA,
        "lora_dropout": 0.0,
        "target_modules": [name.split(".")[1] for name in HUGGING_FACE.values()],
        "bias": "none",
        "fan_in_fan_out": False,
        "use_rslora": False,
        "use_dora": False,
        "inference_mode": True,
    }
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    save_file(tensors, part / "adapter_model.safetensors", metadata={"format": "pt"})
    (part / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")
    part.rename(folder)


def write_gguf(shape: Shape, seed: int, path: Path) -> None:
    """The same adapter for llama.cpp, in f32 as its own converter writes by default."""
    with finished(path) as part:
        writer = gguf.GGUFWriter(part, "llama")
        writer.add_type("adapter")
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, ALPHA)
        for layer, linear, a, b in pairs(shape, seed):
            heads = shape.rotated_heads(linear)
            writer.add_tensor(f"blk.{layer}.{linear}.weight.lora_a", a)
            writer.add_tensor(f"blk.{layer}.{linear}.weight.lora_b", b if heads is None else gguf_rows(b, heads))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
