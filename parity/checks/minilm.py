"""all-MiniLM-L6-v2 sentence embeddings against sentence-transformers."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
from sentence_transformers import SentenceTransformer

import paths
from checks import Row, at_least, guarded
from loam import Loam

COSINE = 0.9999


def check(loam: Loam) -> Iterator[Row]:
    sentences: list[str] = json.loads((paths.MINILM / "sentences.json").read_text())
    encoder = SentenceTransformer(str(paths.MINILM_MODEL), device="cpu")
    for number, sentence in enumerate(sentences):
        name = f"{number:2} {' '.join(sentence.split())[:32]}"

        def compare() -> Row:
            expected = encoder.encode(sentence, convert_to_numpy=True)
            actual = loam.embed(paths.MINILM_MODEL, [sentence])[0]
            norms = np.linalg.norm(actual) * np.linalg.norm(expected)
            return at_least(name, float(actual @ expected / norms), COSINE)

        yield from guarded(name, compare)
