"""Which rows of a training part are kept back, to judge with: the same ones for towers and for the adapters on them.

A tower knows its training rows by heart, so that an adapter cannot be judged by them; and rows of one person are alike, so
that the rows of others say more about people to come.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FEWEST = 8
"""Origins, such as people; where there are fewer, each row is one of its own: too much would be lost to learn from."""


def held(origins: Sequence[str], share: float) -> npt.NDArray[np.bool_]:
    """True for rows that are kept back: all those of `share` of the origins, at least of one; `[N]`."""
    if share <= 0:
        return np.zeros(len(origins), dtype=np.bool_)
    if len(set(origins)) < FEWEST:
        origins = [f"{origin} {row}" for row, origin in enumerate(origins)]
    order = sorted(set(origins), key=lambda origin: hashlib.sha256(origin.encode()).digest())
    chosen = set(order[: max(1, round(share * len(order)))])
    return np.array([origin in chosen for origin in origins], dtype=np.bool_)
