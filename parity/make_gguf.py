"""Writes the tiny models as GGUF files, the way llama.cpp's converter lays them out.

A model.gguf (all F32) goes beside each Hugging Face fixture whose arithmetic
GGUF can express, and every file is run in llama.cpp and compared with the
logits of transformers before it counts. Not expressible, and left out: Qwen2
with sliding layers (llama.cpp has no window there) and Gemma with a query scale
apart from the head dim (the format has no key for it). Mistral goes as `llama`,
where the window is ignored, so only its first positions are compared.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from safetensors.torch import load_file
from transformers import PreTrainedConfig

import paths
import tiny
from reference import LlamaCpp

TOLERANCE = 2e-3
# ggml looks Gemma's GELU up in a table of half floats; with that table in transformers
# too the difference falls below 1e-3.
GELU_TOLERANCE = 1e-2
# fixture name -> GGUF architecture
ARCHITECTURES: dict[str, gguf.MODEL_ARCH] = {
    "llama2": gguf.MODEL_ARCH.LLAMA,
    "llama3": gguf.MODEL_ARCH.LLAMA,
    "llama-linear": gguf.MODEL_ARCH.LLAMA,
    "llama-bias": gguf.MODEL_ARCH.LLAMA,
    "smollm2": gguf.MODEL_ARCH.LLAMA,
    "mistral": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
    "gemma3-pattern": gguf.MODEL_ARCH.GEMMA3,
    "gemma3-softcap": gguf.MODEL_ARCH.GEMMA3,
}


def permute(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rotary halves `[0..d/2, d/2..d]` of each head to the interleaved pairs of arch `llama`."""
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return halves.swapaxes(1, 2).reshape(weight.shape)


def llama3_factors(rope: dict[str, Any], head_dim: int) -> np.ndarray:
    """`[head_dim / 2]` divisors of the rotary frequencies, stored as rope_freqs.weight."""
    long_wave = rope["original_max_position_embeddings"] / rope["low_freq_factor"]
    short_wave = rope["original_max_position_embeddings"] / rope["high_freq_factor"]
    factors = []
    for pair in range(0, head_dim, 2):
        wave = 2 * math.pi * rope["rope_theta"] ** (pair / head_dim)
        if wave < short_wave:
            factors.append(1.0)
        elif wave > long_wave:
            factors.append(rope["factor"])
        else:
            blend = (long_wave / wave - 1) / (long_wave / short_wave - 1)
            factors.append(1.0 / ((1 - blend) / rope["factor"] + blend))
    return np.array(factors, dtype=np.float32)


def add_tokenizer(writer: gguf.GGUFWriter) -> None:
    """A SentencePiece vocabulary of single characters: enough to load, and to tokenize ASCII."""
    pieces = ["<unk>", "<s>", "</s>", "<0x0A>", "\u2581"]
    pieces += [chr(0x21 + n) for n in range(tiny.VOCAB - len(pieces))]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL, gguf.TokenType.BYTE]
    kinds += [gguf.TokenType.NORMAL] * (tiny.VOCAB - len(kinds))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(pieces)
    writer.add_token_scores([-float(n) for n in range(tiny.VOCAB)])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)


def add_settings(writer: gguf.GGUFWriter, config: PreTrainedConfig, head_dim: int) -> None:
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    rope = config.rope_parameters.get("full_attention", config.rope_parameters)
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_rope_dimension_count(int(head_dim * rope.get("partial_rotary_factor", 1.0)))
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    if config.model_type == "mistral":
        writer.add_sliding_window(config.sliding_window)
    if config.model_type == "gemma3_text":
        writer.add_rope_freq_base_swa(config.rope_parameters["sliding_attention"]["rope_theta"])
        writer.add_sliding_window(config.sliding_window)
        if config.final_logit_softcapping:
            writer.add_final_logit_softcapping(config.final_logit_softcapping)
        # Converted checkpoints leave the pattern out and mean a period of six.
        period = [(n + 1) % 6 != 0 for n in range(config.num_hidden_layers)]
        slides = [kind == "sliding_attention" for kind in config.layer_types]
        if slides != period:
            writer.add_sliding_window_pattern(slides)


def write(path: Path, arch: gguf.MODEL_ARCH, config: PreTrainedConfig, weights: dict[str, torch.Tensor]) -> None:
    """One F32 GGUF of the Hugging Face `weights`."""
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch])
    add_settings(writer, config, head_dim)
    add_tokenizer(writer)
    rope = config.rope_parameters
    if rope.get("rope_type") == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(rope, head_dim))
    for key, tensor in weights.items():
        if config.tie_word_embeddings and key == "lm_head.weight":
            continue
        values = tensor.float().numpy()
        if arch is gguf.MODEL_ARCH.LLAMA and ".q_proj." in key:
            values = permute(values, config.num_attention_heads)
        elif arch is gguf.MODEL_ARCH.LLAMA and ".k_proj." in key:
            values = permute(values, config.num_key_value_heads)
        elif arch is gguf.MODEL_ARCH.GEMMA3 and key.endswith("norm.weight"):
            # GGUF stores the factor itself, the checkpoint its distance from one.
            values = values + 1.0
        name = names.get_name(key, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise SystemExit(f"{path}: no GGUF name for {key}")
        writer.add_tensor(name, np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def tolerance(name: str) -> float:
    return GELU_TOLERANCE if name.startswith("gemma3") else TOLERANCE


def check(name: str, path: Path, tokens: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest logit difference between llama.cpp on `path` and `expected`."""
    actual = LlamaCpp(path, context=64).logits(tokens.tolist())
    worst = float(np.abs(actual - expected.numpy()).max())
    verdict = "ok" if worst <= tolerance(name) else "DIFFERS"
    print(f"{name:18} {len(tokens):3} positions   max |llama.cpp - transformers| {worst:.2e}   {verdict}")
    return worst


def main() -> None:
    failed: list[str] = []
    for name, arch in ARCHITECTURES.items():
        folder = paths.MODELS / name
        config = tiny.variant(name).config()
        write(folder / "model.gguf", arch, config, load_file(folder / "model.safetensors"))
        expected = load_file(folder / "expected.safetensors")
        # Within the window a model that ignores it agrees with one that does not.
        shown = config.sliding_window if name == "mistral" else tiny.POSITIONS
        tokens, logits = expected["tokens"][:shown], expected["logits"][:shown]
        if check(name, folder / "model.gguf", tokens, logits) > tolerance(name):
            failed.append(name)
    if failed:
        raise SystemExit(f"llama.cpp disagrees with transformers on {', '.join(failed)}")


if __name__ == "__main__":
    main()
