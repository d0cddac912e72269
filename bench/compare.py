"""Prefill and decode rates of Loam and llama.cpp on the same file, side by side.

The two run in turn (A B A B ...), each as a process of its own with the same number of threads, so that a machine
whose speed drifts treats both alike. Rates on shared machines move; the ratio of medians is what to quote.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

PROMPT, DECODE = 128, 64


def default_model() -> Path:
    """Where `loam pull loam-nano` puts the language model."""
    home = os.environ.get("LOAM_HOME") or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "loam"
    return Path(home) / "foundations/loam-nano/backbone/SmolLM2-135M-Instruct.Q4_1.gguf"


def measure_llama_cpp(model: Path, threads: int, sequences: int) -> dict[str, float]:
    """Runs in a child process: prefill of PROMPT tokens and DECODE steps from an empty context, median of 3."""
    import llama_cpp as ll

    ll.llama_backend_init()
    parameters = ll.llama_model_default_params()
    # Some virtual machines announce AMX and then trap it; the extra buffers are the only user of it.
    parameters.use_extra_bufts = False
    loaded = ll.llama_model_load_from_file(str(model).encode(), parameters)
    options = ll.llama_context_default_params()
    options.n_ctx, options.n_batch, options.n_ubatch = 512 * sequences, 512, 512
    options.n_threads = options.n_threads_batch = threads
    options.n_seq_max = sequences
    context = ll.llama_init_from_model(loaded, options)
    memory = ll.llama_get_memory(context)
    vocabulary = ll.llama_vocab_n_tokens(ll.llama_model_get_vocab(loaded))

    def run(rows: list[tuple[int, int, int, bool]]) -> None:
        batch = ll.llama_batch_init(len(rows), 0, sequences)
        batch.n_tokens = len(rows)
        for i, (token, position, sequence, logits) in enumerate(rows):
            batch.token[i] = token % (vocabulary - 1) + 1
            batch.pos[i] = position
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = sequence
            batch.logits[i] = logits
        if ll.llama_decode(context, batch) != 0:
            sys.exit("llama.cpp: decode failed")
        ll.llama_synchronize(context)
        ll.llama_batch_free(batch)

    prefill, decode = [], []
    for _ in range(4):
        ll.llama_memory_clear(memory, True)
        start = time.perf_counter()
        run([(i, i, 0, i + 1 == PROMPT) for i in range(PROMPT)])
        prefill.append(PROMPT / (time.perf_counter() - start))
        ll.llama_memory_clear(memory, True)
        start = time.perf_counter()
        for position in range(DECODE):
            run([(position + s, position, s, True) for s in range(sequences)])
        decode.append(DECODE * sequences / (time.perf_counter() - start))
    return {"prefill": statistics.median(prefill[1:]), "decode": statistics.median(decode[1:])}


def measure_loam(loam: Path, model: Path, threads: int, sequences: int) -> dict[str, float]:
    """One run of `loam speed`."""
    command = [loam, "speed", "--model", model, "-p", str(PROMPT), "-n", str(DECODE)]
    command += ["--sequences", str(sequences), "--repeat", "3", "--json"]
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
    result = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)
    return {"prefill": result["prefill_tokens_per_second"], "decode": result["decode_tokens_per_second"]}


def child(model: Path, threads: int, sequences: int) -> dict[str, float]:
    """llama.cpp in a process of its own."""
    command = [sys.executable, __file__, "--child", str(threads), str(sequences), "--model", str(model)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(result.stdout.strip().splitlines()[-1])


def processor() -> str:
    """Name of the processor, as the system tells it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


def main() -> None:
    """Measures every setting and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loam", type=Path, default=Path("target/release/loam"))
    parser.add_argument("--model", type=Path, default=default_model())
    parser.add_argument("--rounds", type=int, default=3, help="runs of each program, in turn")
    parser.add_argument("--child", type=int, nargs=2, metavar=("THREADS", "SEQUENCES"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure_llama_cpp(args.model, *args.child)))
        return
    print(f"{args.model.name} on {processor()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}, tok/s\n")
    print("| threads | what | Loam | llama.cpp | ratio |\n|---|---|---|---|---|")
    for threads in (1, 2):
        for sequences in (1, 4):
            runs = [
                (measure_loam(args.loam, args.model, threads, sequences), child(args.model, threads, sequences))
                for _ in range(args.rounds)
            ]
            for key in ("prefill", "decode"):
                if key == "prefill" and sequences > 1:
                    continue
                ours = statistics.median(a[key] for a, _ in runs)
                theirs = statistics.median(b[key] for _, b in runs)
                what = f"prefill {PROMPT}" if key == "prefill" else f"decode {DECODE}, {sequences} sequence(s)"
                print(f"| {threads} | {what} | {ours:.0f} | {theirs:.0f} | {ours / theirs:.2f} |", flush=True)


if __name__ == "__main__":
    main()
