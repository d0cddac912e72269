"""A llama-architecture model with random weights: for rates and memory, never for quality."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

from places import finished
from shapes import Shape

#: A trained model's spread of weights, so that quantizers meet usual scales.
SPREAD = 0.02


def write_random(shape: Shape, tokenizer_from: Path, path: Path) -> None:
    """Writes F16 weights with the tokenizer of another GGUF file."""
    with finished(path) as part:
        writer = gguf.GGUFWriter(part, "llama")
        describe(writer, shape)
        copy_tokenizer(gguf.GGUFReader(tokenizer_from), writer)
        tensors = extents(shape)
        for name, extent in tensors.items():
            kind = np.dtype(np.float32 if len(extent) == 1 else np.float16)
            count = int(np.prod(extent))
            writer.add_tensor_info(name, extent, kind, count * kind.itemsize)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        random = np.random.default_rng(1)
        # One tensor at a time: all of them would take several gigabytes as f32.
        for extent in tensors.values():
            writer.write_tensor_data(values(random, extent))
        writer.close()


def extents(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Every tensor of the model, in the order of the file."""
    found: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (shape.vocabulary, shape.hidden),
        "output_norm.weight": (shape.hidden,),
    }
    for layer in range(shape.layers):
        found[f"blk.{layer}.attn_norm.weight"] = (shape.hidden,)
        found[f"blk.{layer}.ffn_norm.weight"] = (shape.hidden,)
        for linear, extent in shape.linears().items():
            found[f"blk.{layer}.{linear}.weight"] = extent
    return found


def values(random: np.random.Generator, extent: tuple[int, ...]) -> np.ndarray:
    """Ones for a norm, small normal values for a matrix."""
    if len(extent) == 1:
        return np.ones(extent, dtype=np.float32)
    return (random.standard_normal(extent, dtype=np.float32) * SPREAD).astype(np.float16)


def describe(writer: gguf.GGUFWriter, shape: Shape) -> None:
    """The metadata that a llama needs."""
    writer.add_name(f"{shape.name}, random weights")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_context_length(8192)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.head_size)
    writer.add_rope_freq_base(100000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(shape.vocabulary)


def copy_tokenizer(source: gguf.GGUFReader, writer: gguf.GGUFWriter) -> None:
    """Copies every field of `tokenizer.*`."""
    for name, field in source.fields.items():
        if name.startswith("tokenizer."):
            inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), field.types[0], sub_type=inner)
