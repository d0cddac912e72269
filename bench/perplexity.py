"""Perplexity of both engines on the same windows of the same text, each window in a fresh context, and how far Loam's
distributions are from those of exact weights."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from safetensors.numpy import load_file

import job
import places
from job import LOAM, PEER
from shapes import SMALL, shape_of

#: Windows of the text and tokens of each: about 2 % of error, the same one for all.
WINDOWS, LENGTH = 8, 1024
#: Windows whose whole distributions are compared: 200 MB of logits each.
COMPARED = 2
#: The weights as they are, without the rounding of any kernel.
REFERENCE = f"{SMALL.name}-F32"


def text(path: Path) -> str:
    """The articles of a text set."""
    with zstandard.open(path, "rt", encoding="utf-8") as stream:
        return "\n\n".join(json.loads(line)["text"] for line in stream)


def measure(models: Iterable[str], engines: list[str], threads: int, loam: Path) -> list[dict[str, Any]]:
    """One entry for each model of real weights, and llama.cpp's for the reference."""
    found: list[dict[str, Any]] = []
    if not places.WIKITEXT.exists():
        print(f"no perplexity: {places.WIKITEXT} is missing", file=sys.stderr)
        return found
    with tempfile.TemporaryDirectory() as name:
        files = windows(Path(name))
        for model in [REFERENCE, *(model for model in models if shape_of(model) == SMALL)]:
            entry: dict[str, Any] = {"model": model}
            if PEER in engines:
                request = {"task": "perplexity", "model": str(places.model_path(model)), "threads": threads}
                entry |= pooled(PEER, job.peer(request | {"tokens": files})["windows"])
            if LOAM in engines:
                command = [loam, "perplexity", "--json", "--model", places.model_path(model), "--tokens"]
                entry |= pooled(LOAM, [job.answer([*command, file], threads) for file in files])
            if LOAM in engines and model != REFERENCE:
                entry |= closeness(model, files[:COMPARED], threads, loam)
            found.append(entry)
    return found


def closeness(model: str, files: list[str], threads: int, loam: Path) -> dict[str, float]:
    """How often the likeliest token is that of the exact weights, and the mean divergence in nats."""
    agree, divergence, count = 0, 0.0, 0
    for file in files:
        exact, rounded = (logits(name, file, threads, loam) for name in (REFERENCE, model))
        for a, b in zip(exact, rounded, strict=True):
            p, q = log_probabilities(a), log_probabilities(b)
            agree += int(p.argmax() == q.argmax())
            divergence += float((np.exp(p) * (p - q)).sum())
            count += 1
    return {"top1": agree / count, "kl": divergence / count}


def logits(model: str, file: str, threads: int, loam: Path) -> np.ndarray:
    """`[positions, vocabulary]` of a window."""
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as out:
        command = [loam, "logits", "--json", "--model", places.model_path(model), "--tokens", file, "-o", out.name]
        environment = os.environ | {"LOAM_THREADS": str(threads)}
        subprocess.run(command, env=environment, check=True, capture_output=True)
        return load_file(out.name)["logits"]


def log_probabilities(row: np.ndarray) -> np.ndarray:
    values = row.astype(np.float64)
    values -= values.max()
    return values - np.log(np.exp(values).sum())


def windows(folder: Path) -> list[str]:
    """Writes the token files; every SmolLM2 has the same tokenizer."""
    plain = folder / "text.txt"
    plain.write_text(text(places.WIKITEXT))
    request = {"task": "tokenize", "model": str(places.model_path(REFERENCE)), "text": str(plain)}
    ids = job.peer(request | {"window": LENGTH, "windows": WINDOWS})["windows"]
    files = []
    for index, window in enumerate(ids):
        file = folder / f"{index}.json"
        file.write_text(json.dumps(window))
        files.append(str(file))
    return files


def pooled(engine: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    """One perplexity of all windows."""
    tokens = sum(part["tokens"] for part in parts)
    surprise = sum(math.log(part["perplexity"]) * part["tokens"] for part in parts)
    return {engine: math.exp(surprise / tokens), "tokens": tokens}
