"""Writes gguf/quantized.safetensors: values, and the Q8_0 and Q4_0 blocks that the gguf package makes of them.

Besides random blocks of many sizes there are those that decide roundings: zeros, equal magnitudes of both signs, codes
that lie half way, scales that are subnormal halves.
"""

from __future__ import annotations

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import save_file

import paths

BLOCK = 32


def special() -> list[np.ndarray]:
    ramp = np.arange(BLOCK, dtype=np.float32)
    signs = np.where(ramp % 2 == 0, 1, -1).astype(np.float32)
    return [
        np.zeros(BLOCK, np.float32),
        signs,
        -signs,
        # Codes of 8 bits that lie half way between two: the largest value makes the scale one.
        np.concatenate([[127.0], ramp[1:] - 15.5]).astype(np.float32),
        # The same for 4 bits, with the largest value on either side of zero.
        np.concatenate([[-8.0], (ramp[1:] - 16) / 2 + 0.5]).astype(np.float32),
        np.concatenate([[8.0], (ramp[1:] - 16) / 2]).astype(np.float32),
        signs * 1e-7,
        ramp * 1e-9,
        ramp * 200,
        np.concatenate([ramp[:-1] * 0, [-3.0]]).astype(np.float32),
    ]


def main() -> None:
    rng = np.random.default_rng(21)
    sizes = np.exp(rng.uniform(-12, 4, (118, 1)))
    random = (rng.normal(0.0, 1.0, (118, BLOCK)) * sizes).astype(np.float32)
    values = np.concatenate([np.stack(special()), random]).astype(np.float32)
    tensors = {"values": values}
    for kind in (Type.Q8_0, Type.Q4_0):
        tensors[f"{kind.name}.bytes"] = gguf.quants.quantize(values, kind).reshape(-1)
        error = np.abs(gguf.quants.dequantize(tensors[f"{kind.name}.bytes"].reshape(len(values), -1), kind) - values)
        print(f"{kind.name} {len(values)} blocks, largest relative error {(error.max(1) / np.abs(values).max(1).clip(1e-30)).max():.3f}")
    save_file(tensors, paths.GGUF / "quantized.safetensors")


if __name__ == "__main__":
    main()
