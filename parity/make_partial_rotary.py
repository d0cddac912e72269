"""Writes the fixture `partial-rotary`: a GGUF whose rotary embedding turns half of each head.

The file is of arch qwen2 with rope.dimension_count = head_dim / 2. llama.cpp
allows that under arch phi3 only and stops on it under llama, qwen2 and qwen3, so
an engine may as well refuse the file; one that runs it must give these logits.
They are llama.cpp's on the same weights written as a fused phi3 file, and are
checked against transformers' Phi-3.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import gguf
import torch
from safetensors.torch import save_file
from transformers import Phi3Config, Phi3ForCausalLM

import paths
import tiny
from make_gguf import check, write
from make_models import fresh
from reference import LlamaCpp

NAME = "partial-rotary"
HEAD_DIM = 16


def phi3() -> Phi3ForCausalLM:
    """A Phi-3 with biases on its fused q, k, v projection."""
    config = Phi3Config(
        **{**tiny.BASE, "num_attention_heads": 2, "num_key_value_heads": 1},
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5},
        attn_implementation="eager",
    )
    model = Phi3ForCausalLM(config).eval()
    for layer in model.model.layers:
        fused = layer.self_attn.qkv_proj
        fused.bias = torch.nn.Parameter(torch.zeros(fused.out_features))
    tiny.randomize(model, NAME)
    return model


def unfused(model: Phi3ForCausalLM) -> dict[str, torch.Tensor]:
    """The weights under the names of a Qwen2 checkpoint."""
    config = model.config
    rows = [config.num_attention_heads * HEAD_DIM] + [config.num_key_value_heads * HEAD_DIM] * 2
    weights: dict[str, torch.Tensor] = {}
    for key, tensor in model.state_dict().items():
        if ".qkv_proj." in key:
            for part, piece in zip(("q_proj", "k_proj", "v_proj"), tensor.split(rows)):
                weights[key.replace("qkv_proj", part)] = piece
        elif ".gate_up_proj." in key:
            for part, piece in zip(("gate_proj", "up_proj"), tensor.chunk(2)):
                weights[key.replace("gate_up_proj", part)] = piece
        else:
            weights[key] = tensor
    return weights


def main() -> None:
    folder = fresh(paths.MODELS / NAME)
    model = phi3()
    tokens = torch.randint(3, tiny.VOCAB, (tiny.POSITIONS,), generator=tiny.seeded(NAME + "/tokens"))
    with tempfile.TemporaryDirectory() as scratch:
        fused = Path(scratch) / "phi3.gguf"
        write(fused, gguf.MODEL_ARCH.PHI3, model.config, model.state_dict())
        if check(NAME, fused, tokens, tiny.logits(model, tokens)) > 1e-4:
            raise SystemExit("partial-rotary: llama.cpp and transformers disagree")
        expected = torch.from_numpy(LlamaCpp(fused, context=64).logits(tokens.tolist()))
    write(folder / "model.gguf", gguf.MODEL_ARCH.QWEN2, model.config, unfused(model))
    save_file({"tokens": tokens, "logits": expected}, folder / "expected.safetensors")


if __name__ == "__main__":
    main()
