"""Latency of encoders at batch 1 side by side with onnxruntime on the same network.

Each case is a random network of a published shape (`encoder_cases.py`): torch makes it, torch.onnx exports it, and Loam
reads its checkpoint. Both sides must give the same embedding, or nothing is reported. They run in turn (A B A B ...), so
that a machine whose speed drifts treats both alike. Times on shared machines move; the ratio of medians is what to quote.

With --int8 the same networks run with eight-bit linears: Loam's as Q8_0, onnxruntime's by its dynamic quantization with
integers per output channel. Each side's embedding is compared with that of the exact network.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import quantize_dynamic

from encoder_case import Case
from encoder_cases import CASES

ROOT = Path(__file__).resolve().parent.parent
# Of an embedding of eight-bit linears with that of exact ones, both of random weights.
SIMILAR = 0.99
# Two fp32 implementations of a deep network with random weights, relative to the largest value of the embedding.
AGREEMENT = 1e-3


class Embedding(torch.nn.Module):
    """The embedding alone, so that the exported network computes nothing else."""

    def __init__(self, case: Case, model: torch.nn.Module) -> None:
        super().__init__()
        self.model, self.case = model, case

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.case.embed(self.model, features)


def measure_onnx(path: Path, features: np.ndarray, threads: int, runs: int) -> tuple[list[float], np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: features}
    times = []
    for run in range(runs + 1):
        start = time.perf_counter()
        (embedding,) = session.run(None, feed)
        if run:
            times.append((time.perf_counter() - start) * 1e3)
    return times, embedding[0]


def measure_loam(program: Path, folder: Path, case: Case, threads: int, runs: int) -> tuple[list[float], np.ndarray]:
    extents = ",".join(map(str, case.shape))
    command = [program, folder, case.modality, folder / "features.f32", extents, str(runs)]
    environment = os.environ | {"LOAM_THREADS": str(threads)}
    out = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
    return out["ms"], np.array(out["embedding"], dtype=np.float32)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def quantized(exported: Path, folder: Path, program: Path) -> Path:
    """Both sides with eight-bit linears: the path of onnxruntime's; Loam's takes the place of the checkpoint."""
    target = folder / "model.int8.onnx"
    quantize_dynamic(exported, target, op_types_to_quantize=["MatMul", "Gemm"], per_channel=True)
    gguf = folder / "quantized.part"
    subprocess.run([program.with_name("quantize"), folder, "int8", gguf], check=True, capture_output=True)
    for weights in [*folder.glob("*.safetensors"), *folder.glob("*.bin")]:
        weights.unlink()
    gguf.rename(folder / "model.gguf")
    return target


def compare(case: Case, program: Path, threads: list[int], rounds: int, runs: int, bits: int) -> None:
    torch.manual_seed(1)
    model = case.make().eval()
    features = case.features()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        case.save(model, folder)
        features.float().numpy().tofile(folder / "features.f32")
        exported = folder / "model.onnx"
        with torch.no_grad():
            torch.onnx.export(Embedding(case, model).eval(), (features[None],), exported, dynamo=True, verbose=False)
        exact = measure_onnx(exported, features[None].numpy(), threads[0], 1)[1]
        if bits == 8:
            exported = quantized(exported, folder, program)
        for count in threads:
            ours, theirs = [], []
            for _ in range(rounds):
                times, embedding = measure_loam(program, folder, case, count, runs)
                ours += times
                times, reference = measure_onnx(exported, features[None].numpy(), count, runs)
                theirs += times
            if bits == 8:
                found = f"{cosine(embedding, exact):.5f}, {cosine(reference, exact):.5f}"
                if not cosine(embedding, exact) >= SIMILAR:
                    sys.exit(f"{case.name}: cosines with the exact embedding are {found}")
            else:
                worst = np.abs(embedding - exact).max() / np.abs(exact).max()
                found = f"{worst:.0e}"
                if not worst <= AGREEMENT:
                    sys.exit(f"{case.name}: the embeddings differ by {found} of the largest value")
            loam, onnx = statistics.median(ours), statistics.median(theirs)
            print(
                f"| {case.name} | {count} | {loam:.2f} | {onnx:.2f} | {onnx / loam:.2f} | {found} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    parser.add_argument("--program", type=Path, default=target / "release/examples/encoder_latency")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=7, help="runs of each side per round")
    parser.add_argument("--int8", dest="bits", action="store_const", const=8, default=32, help="eight-bit linears")
    parser.add_argument("--case", nargs="+", default=[""], help="only cases whose name contains one of these")
    args = parser.parse_args()
    torch.set_num_threads(1)
    found = "cosine with exact, Loam and onnxruntime" if args.bits == 8 else "largest difference"
    print(f"| encoder | threads | Loam, ms | onnxruntime, ms | speed over onnxruntime's | {found} |")
    print("|---|---|---|---|---|---|")
    for case in CASES:
        if any(part in case.name for part in args.case):
            compare(case, args.program, args.threads, args.rounds, args.runs, args.bits)


if __name__ == "__main__":
    main()
