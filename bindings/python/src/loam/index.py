"""A small index over embeddings."""

from __future__ import annotations

from collections.abc import Callable

import numpy.typing as npt

from loam._ffi import loam_ffi as ffi
from loam.arrays import packed_f32
from loam.records import Match


class Index:
    """Embeddings of one space by key. Search is exact: its time grows with the entries."""

    def __init__(self) -> None:
        """An empty index."""
        # The generated constructor has no types.
        create: Callable[[], ffi.Index] = ffi.Index
        self._inner = create()

    def insert(self, key: str, vector: npt.ArrayLike) -> None:
        """Adds an entry, or replaces the one of the same key.

        Raises:
            LoamError.Argument: for a vector of another length than those before, or one that is not finite.
        """
        self._inner.insert(key, packed_f32("vector", vector))

    def remove(self, key: str) -> bool:
        """Removes an entry; whether there was one."""
        return self._inner.remove(key)

    def __len__(self) -> int:
        return self._inner.count()

    def search(self, query: npt.ArrayLike, count: int) -> list[Match]:
        """The ``count`` entries most similar to ``query``, best first.

        Raises:
            LoamError.Argument: for a query of another length.
        """
        return self._inner.search(packed_f32("query", query), count)
