"""Adds PocketSphinx with its own English model to `bench/eai/baselines.json`: a recogniser that is made for speech alone.

The words are scored by `loam bench score`, as the foundation's are; `$LOAM` names the command. `make_baselines.py` writes the file
anew and so runs before.

    LOAM=target/release/loam python bench/eai/reference/make_recogniser.py ../shared/data
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
import pocketsphinx
import soundfile
from make_baselines import OUT
from scipy.signal import resample_poly

SETS = {"audio/ljspeech_small": "T32"}
RATE = 16_000


def sounds(folder: Path, split: str) -> dict[str, np.ndarray]:
    """Samples of 16 bits at 16 kHz by the file's name, which is the row's id."""
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    found = {}
    with tarfile.open(folder / "audio.tar") as archive:
        for row in (row for row in rows if row["split"] == split):
            stored = archive.extractfile(row["file"])
            assert stored is not None, row
            samples, rate = soundfile.read(io.BytesIO(stored.read()), dtype="float32")
            found[row["file"]] = (resample_poly(samples, RATE, rate) * 32767).clip(-32768, 32767).astype(np.int16)
    return found


def main() -> None:
    root = Path(sys.argv[1])
    held = json.loads(OUT.read_text(encoding="utf-8"))
    size = sum(file.stat().st_size for file in Path(pocketsphinx.get_model_path()).rglob("*") if file.is_file())
    for name, task in SETS.items():
        decoder = pocketsphinx.Decoder(samprate=RATE, loglevel="FATAL")
        begun, seconds, lines = time.process_time(), 0.0, []
        for key, samples in sounds(root / name, "test").items():
            decoder.start_utt()
            decoder.process_raw(samples.tobytes(), full_utt=True)
            decoder.end_utt()
            heard = decoder.hyp()
            lines.append(json.dumps({"id": key, "prediction": {"text": heard.hypstr if heard else ""}}))
            seconds += len(samples) / RATE
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as answers:
            answers.write("\n".join(lines) + "\n")
            answers.flush()
            command = [os.environ.get("LOAM", "loam"), "bench", "score", "--task", task, "--stand-in", name, "--data", str(root)]
            told = subprocess.run([*command, "--answers", answers.name, "--json"], capture_output=True, text=True, check=True)
        score = json.loads(told.stdout)
        held[name] = {"model": "PocketSphinx", "metric": score["metric"], "score": round(score["score"], 5), "bytes": size}
        print(name, held[name], f"{(time.process_time() - begun) / seconds:.2f} s a second of sound")
    OUT.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
