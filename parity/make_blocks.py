"""Writes gguf/blocks.safetensors: blocks of every weight type with their decoded values.

The payload bits are random, so every code of a type occurs; only the f16 scales
are chosen, finite and of moderate size and of either sign. `<TYPE>.bytes` holds
the blocks as stored, `<TYPE>.values` what the gguf package decodes them to.
"""

from __future__ import annotations

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import save_file

import paths

BLOCKS = 8
# F16 and BF16 have blocks of one value; this many stand in for one block.
PLAIN_RUN = 32
# type -> byte offsets of its f16 scales within a block
SCALES: dict[Type, tuple[int, ...]] = {
    Type.Q4_0: (0,),
    Type.Q4_1: (0, 2),
    Type.Q5_0: (0,),
    Type.Q5_1: (0, 2),
    Type.Q8_0: (0,),
    Type.Q2_K: (80, 82),
    Type.Q3_K: (108,),
    Type.Q4_K: (0, 2),
    Type.Q5_K: (0, 2),
    Type.Q6_K: (208,),
}


def blocks(kind: Type, rng: np.random.Generator) -> np.ndarray:
    """`[BLOCKS, bytes per block]` u8: random bits under moderate scales."""
    size = gguf.GGML_QUANT_SIZES[kind][1]
    data = rng.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    for offset in SCALES[kind]:
        scale = rng.uniform(0.002, 0.1, BLOCKS) * rng.choice([-1.0, 1.0], BLOCKS)
        data[:, offset : offset + 2] = scale.astype("<f2").view(np.uint8).reshape(BLOCKS, 2)
    return data


def main() -> None:
    rng = np.random.default_rng(20)
    plain = rng.normal(0.0, 1.0, BLOCKS * PLAIN_RUN).astype(np.float32)
    tensors: dict[str, np.ndarray] = {}
    for kind in (Type.F16, Type.BF16):
        tensors[f"{kind.name}.bytes"] = gguf.quants.quantize(plain, kind).view(np.uint8).reshape(-1)
    for kind in SCALES:
        tensors[f"{kind.name}.bytes"] = blocks(kind, rng).reshape(-1)
    for key in list(tensors):
        kind = Type[key.removesuffix(".bytes")]
        values = gguf.quants.dequantize(tensors[key], kind).astype(np.float32).reshape(-1)
        if not np.isfinite(values).all():
            raise SystemExit(f"{kind.name}: a decoded value is not finite")
        tensors[f"{kind.name}.values"] = values
        print(f"{kind.name:5} {tensors[key].size:5} bytes -> {values.size:5} values, |max| {np.abs(values).max():.3f}")
    paths.GGUF.mkdir(parents=True, exist_ok=True)
    save_file(tensors, paths.GGUF / "blocks.safetensors")


if __name__ == "__main__":
    main()
