"""Makes the benchmark's models and adapters, in the folder `bench` of Loam's directory. What is there stays.

`smollm2-135m-*` are requantized by llama.cpp from the pulled SmolLM2-135M-Instruct, which is Q4_1 (embeddings Q8_0): so
Q8_0 and F32 here hold Q4_1's values, and Q4_0 and Q4_K_M are quantized twice. Their perplexities compare engines on one
file, and say nothing of what these types cost when made of the original weights. `random-1b-*` has random weights.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import places
from llama import quantize
from random_lora import write_gguf, write_peft
from random_model import write_random
from shapes import LARGE, SHAPES, SMALL

ADAPTERS = 4
SMALL_TYPES = ("Q8_0", "Q4_0", "Q4_K_M", "F32")
LARGE_TYPES = ("Q8_0", "Q4_0", "Q4_1", "Q4_K_M")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def requantize(source: Path, kind: str, path: Path, threads: int) -> None:
    """`path` in llama.cpp's types for `kind`, unless it is there."""
    if not path.exists():
        say(f"{path.name} from {source.name}")
        with places.finished(path) as part:
            quantize(source, kind, part, threads)


def make_small(threads: int) -> None:
    """SmolLM2-135M in other types."""
    source = places.pulled()
    if not source.exists():
        sys.exit(f"{source} is missing: run `loam pull loam-nano`")
    for kind in SMALL_TYPES:
        requantize(source, kind, places.model_path(f"{SMALL.name}-{kind}"), threads)


def make_large(threads: int) -> None:
    """The random model in every type; its F16 is only the source."""
    wanted = {kind: places.model_path(f"{LARGE.name}-{kind}") for kind in LARGE_TYPES}
    if all(path.exists() for path in wanted.values()):
        return
    source = places.made() / f"{LARGE.name}-F16.gguf"
    if not source.exists():
        say(f"{source.name}, random weights")
        write_random(LARGE, places.pulled(), source)
    for kind, path in wanted.items():
        requantize(source, kind, path, threads)
    source.unlink()


def make_adapters() -> None:
    """Four adapters of each shape."""
    for shape in SHAPES.values():
        for index in range(ADAPTERS):
            folder, path = places.adapter_paths(shape.name, index)
            seed = 100 + index
            if not folder.exists():
                say(folder.name)
                write_peft(shape, seed, folder)
            if not path.exists():
                say(path.name)
                write_gguf(shape, seed, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="threads of the quantizer")
    parser.add_argument("--only", choices=["small", "large", "adapters"], help="make this part alone")
    args = parser.parse_args()
    if args.only in (None, "small"):
        make_small(args.threads)
    if args.only in (None, "large"):
        make_large(args.threads)
    if args.only in (None, "adapters"):
        make_adapters()
    for path in sorted(places.made().glob("*.gguf")):
        print(f"{path.stat().st_size / 1e6:8.1f} MB  {path}")


if __name__ == "__main__":
    main()
