"""Perplexity of both engines on the same windows of the same text, each window in a fresh context."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import zstandard

import job
import places
from job import LOAM, PEER
from shapes import SMALL, shape_of

#: Windows of the text and tokens of each: about 2 % of error, the same one for all.
WINDOWS, LENGTH = 8, 1024
#: The weights as they are, without the rounding of any kernel.
REFERENCE = f"{SMALL.name}-F32"


def text(path: Path) -> str:
    """The articles of a text set."""
    with zstandard.open(path, "rt", encoding="utf-8") as stream:
        return "\n\n".join(json.loads(line)["text"] for line in stream)


def measure(models: Iterable[str], engines: list[str], threads: int, loam: Path) -> list[dict[str, Any]]:
    """One entry for each model of real weights, and llama.cpp's for the reference."""
    found = []
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
            found.append(entry)
    return found


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
