"""What Loam is held to. Nothing else in this folder knows an aim.

Two values stand for 1 and 2 threads; the small shape has 135 million weights, the large one a billion.
"""

from __future__ import annotations

from shapes import SMALL, shape_of

Aim = float | None

#: Aims that both shapes have.
_BOTH: dict[str, dict[int, float]] = {
    "prefill 512 over 128": {1: 0.8, 2: 0.8},
    "busy core": {2: 0.9},
}
_SMALL: dict[str, dict[int, float]] = {
    "decode Q8_0": {1: 1.3, 2: 1.8},
    "decode Q4_0": {1: 1.3, 2: 1.8},
    "decode Q4_1": {1: 1.5, 2: 1.8},
    "decode Q4_K_M": {1: 1.5, 2: 1.8},
    "prefill 128 Q8_0": {1: 2.5, 2: 2.5},
    "prefill 128": {1: 1.5, 2: 1.5},
    "4 sequences": {1: 2.5, 2: 2.5},
    "4 adapters": {1: 0.8, 2: 0.8},
    "adapter": {1: 0.85, 2: 0.85},
    "adapter switch": {1: 5.0, 2: 5.0},
    "peak memory": {1: 1.25, 2: 1.25},
}
_LARGE: dict[str, dict[int, float]] = {
    "decode": {1: 1.15, 2: 1.25},
    "prefill 128 Q8_0": {1: 2.0, 2: 2.0},
    "prefill 128": {1: 1.4, 2: 1.4},
    "4 sequences": {1: 2.0, 2: 2.0},
    "4 adapters": {1: 0.9, 2: 0.9},
    "adapter": {1: 0.92, 2: 0.92},
    "adapter switch": {1: 10.0, 2: 10.0},
    "peak memory": {1: 1.15, 2: 1.15},
}


def aim(row: str, model: str, threads: int) -> Aim:
    """The aim of a row; rates of some rows have one for each type of weights. None where nothing is asked."""
    table = _BOTH | (_SMALL if shape_of(model) == SMALL else _LARGE)
    kind = model.rsplit("-", 1)[1]
    return table.get(f"{row} {kind}", table.get(row, {})).get(threads)
