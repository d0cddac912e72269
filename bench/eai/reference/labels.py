"""Cases of classes, numbers, tags and rankings, by scikit-learn, scipy and seqeval."""

from __future__ import annotations

import random
import warnings
from typing import Any

import numpy as np
import scipy.stats
import seqeval.metrics
import sklearn.metrics

Case = dict[str, Any]
KINDS = ["person", "place", "thing"]


def cases() -> dict[str, list[Case]]:
    warnings.simplefilter("ignore")  # of undefined scores, which count as 0
    return {
        "classes": [classes(seed, count) for seed, count in enumerate([2, 3, 7, 12, 1])],
        "multi_label": [multi_label(seed) for seed in range(4)],
        "correlation": [correlation(seed) for seed in range(4)],
        "top_k": [top_k(seed) for seed in range(3)],
        "spans": [spans(seed) for seed in range(6)] + [odd_spans()],
        "ranking": [ranking(seed) for seed in range(3)],
    }


def classes(seed: int, count: int) -> Case:
    draw = random.Random(seed)
    right = [draw.randrange(count) for _ in range(60)]
    found = [value if draw.random() < 0.6 else draw.randrange(count) for value in right]
    expected = {"accuracy": sklearn.metrics.accuracy_score(right, found)}
    expected["mcc"] = float(sklearn.metrics.matthews_corrcoef(right, found))
    for average in ["micro", "macro", "weighted"]:
        scores = sklearn.metrics.precision_recall_fscore_support(right, found, average=average, zero_division=0)
        expected[average] = [float(score) for score in scores[:3]]
    return {"classes": count, "found": found, "right": right, "expected": expected}


def multi_label(seed: int) -> Case:
    draw = random.Random(seed)
    rows, count = 40, 6
    right = [[c for c in range(count) if draw.random() < 0.3] for _ in range(rows)]
    found = [[c for c in range(count) if draw.random() < (0.7 if c in row else 0.15)] for row in right]

    def binary(sets: list[list[int]]) -> np.ndarray:
        return np.array([[int(c in row) for c in range(count)] for row in sets])

    expected = {}
    for average in ["micro", "macro"]:
        expected[average] = float(
            sklearn.metrics.f1_score(binary(right), binary(found), average=average, zero_division=0)
        )
    return {"classes": count, "found": found, "right": right, "expected": expected}


def correlation(seed: int) -> Case:
    draw = random.Random(seed)
    right = [round(draw.random() * 5, seed % 2) for _ in range(30)]
    found = [round(value + draw.gauss(0, 1), seed % 2 + 1) for value in right]
    squared = sklearn.metrics.mean_squared_error(right, found)
    expected = {
        "pearson": float(scipy.stats.pearsonr(found, right)[0]),
        "spearman": float(scipy.stats.spearmanr(found, right)[0]),
        "mae": float(sklearn.metrics.mean_absolute_error(right, found)),
        "rmse": float(np.sqrt(squared)),
    }
    return {"found": found, "right": right, "expected": expected}


def top_k(seed: int) -> Case:
    draw = random.Random(seed)
    scores = [[round(draw.random(), 6) for _ in range(8)] for _ in range(30)]
    right = [draw.randrange(8) for _ in scores]
    k = 1 + 2 * seed
    value = sklearn.metrics.top_k_accuracy_score(right, np.array(scores), k=k, labels=range(8))
    return {"scores": scores, "right": right, "k": k, "expected": float(value)}


def spans(seed: int) -> Case:
    draw = random.Random(seed)

    def tag() -> str:
        place = draw.choice("OOBIIES" if seed % 2 else "OOBI")
        return place if place == "O" else f"{place}-{draw.choice(KINDS)}"

    right = [[tag() for _ in range(draw.randrange(1, 12))] for _ in range(20)]
    found = [[value if draw.random() < 0.8 else tag() for value in row] for row in right]
    return of_spans(found, right)


def odd_spans() -> Case:
    right = [["B", "I", "O", "B-a-b", "I-a-b"], ["O", "O"], ["I-x", "I-y", "B-y"]]
    found = [["B", "I", "I", "B-a-b", "I-b"], ["O", "S-x"], ["B-x", "I-y", "I-y"]]
    return of_spans(found, right)


def of_spans(found: list[list[str]], right: list[list[str]]) -> Case:
    expected = {}
    for average in ["micro", "macro", "weighted"]:
        functions = [seqeval.metrics.precision_score, seqeval.metrics.recall_score, seqeval.metrics.f1_score]
        expected[average] = [float(score(right, found, average=average, zero_division=0)) for score in functions]
    return {"found": found, "right": right, "expected": expected}


def ranking(seed: int) -> Case:
    """Re-identification: average precision of each query by scikit-learn, over what other cameras saw."""
    draw = random.Random(seed)
    queries = [[draw.randrange(5), draw.randrange(3)] for _ in range(8)]
    entries = [[draw.randrange(5), draw.randrange(3)] for _ in range(40)]
    likeness = [[round(draw.random() + 0.4 * (q[0] == e[0]), 9) for e in entries] for q in queries]
    precisions, first, five = [], [], []
    for query, row in zip(queries, likeness, strict=True):
        kept = [(score, int(entry[0] == query[0])) for entry, score in zip(entries, row, strict=True) if entry != query]
        scores, hits = [score for score, _ in kept], [hit for _, hit in kept]
        if sum(hits):
            precisions.append(sklearn.metrics.average_precision_score(hits, scores))
            order = [hit for _, hit in sorted(kept, key=lambda pair: -pair[0])]
            first.append(max(order[:1]))
            five.append(max(order[:5]))
    expected = [float(np.mean(values)) for values in (precisions, first, five)]
    return {"queries": queries, "entries": entries, "likeness": likeness, "expected": expected}
