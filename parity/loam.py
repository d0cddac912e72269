"""The `loam` binary as functions: files and JSON in, arrays out.

The checks go through the command line on purpose: it is what a user runs, and a
wrong flag or file format fails here as loudly as a wrong logit.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

# No check needs longer; a hang should fail one row and not the whole run.
TIMEOUT_SECONDS = 300


class Refused(Exception):
    """The binary ended with an error; the message is the last line it wrote."""


class Loam:
    """The binary at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def logits(self, model: Path, tokens: list[int], adapter: Path | None = None) -> np.ndarray:
        """`[tokens, vocab]` f32, teacher-forced."""
        with tempfile.TemporaryDirectory() as scratch:
            output = Path(scratch) / "out.safetensors"
            arguments = ["--model", str(model), "--tokens", self.ids(scratch, tokens), "--output", str(output)]
            if adapter is not None:
                arguments += ["--adapter", str(adapter)]
            self.run("logits", *arguments)
            return load_file(output)["logits"]

    def perplexity(self, model: Path, tokens: list[int]) -> float:
        """Of every token after the first."""
        with tempfile.TemporaryDirectory() as scratch:
            reply = self.run("perplexity", "--model", str(model), "--tokens", self.ids(scratch, tokens), "--json")
        return float(json.loads(reply)["perplexity"])

    def embed(self, model: Path, texts: list[str]) -> np.ndarray:
        """`[texts, dim]` f32."""
        reply = self.run("embed", "--model", str(model), "--json", *texts)
        return np.array(json.loads(reply)["embeddings"], dtype=np.float32)

    def run(self, *arguments: str) -> str:
        """Standard output of one command."""
        try:
            done = subprocess.run(
                [str(self.path), *arguments], capture_output=True, text=True, timeout=TIMEOUT_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise Refused(f"no answer in {TIMEOUT_SECONDS} s") from error
        if done.returncode < 0 or done.returncode == 101:
            # A panic or a signal is no refusal, even where a refusal is expected.
            raise RuntimeError(f"crashed with status {done.returncode}: {done.stderr.strip()[-300:]}")
        if done.returncode != 0:
            raise Refused((done.stderr.strip() or f"status {done.returncode}").splitlines()[-1])
        return done.stdout

    @staticmethod
    def ids(scratch: str, tokens: list[int]) -> str:
        path = Path(scratch) / "ids.json"
        path.write_text(json.dumps(tokens))
        return str(path)
