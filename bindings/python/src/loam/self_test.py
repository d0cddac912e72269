"""Defects on purpose, by which this package tests that a panic reaches Python as an exception."""

from __future__ import annotations

from loam._ffi import loam_ffi as ffi
from loam.app import App
from loam.stream import Stream


def provoke_panic() -> None:
    """Panics on the caller's thread: raises :class:`InternalError`."""
    ffi.provoke_panic()


def provoke_panic_in_worker(app: App) -> Stream:
    """Panics in the middle of a stream, which raises ``LoamError.Internal``."""
    return Stream(lambda sink: ffi.provoke_panic_in_worker(app._inner, sink))
