"""Installed adapters."""

from __future__ import annotations

from loam._ffi import loam_ffi as ffi


class Adapter:
    """One installed generation of an adapter. It stays usable for as long as it is held, also after it was replaced."""

    __slots__ = ("_inner",)

    def __init__(self, inner: ffi.Adapter) -> None:
        """For the package itself: adapters come from :meth:`App.install_adapter` and :meth:`App.adapter`."""
        self._inner = inner

    @property
    def alias(self) -> str:
        """The name it is called by."""
        return self._inner.alias()

    @property
    def generation(self) -> int:
        """Its number, which grows with each installation."""
        return self._inner.generation()

    @property
    def description(self) -> str | None:
        """What it does, where its author says so."""
        return self._inner.description()

    @property
    def task(self) -> str | None:
        """The task that it is for, where its author says so."""
        return self._inner.task()

    @property
    def component(self) -> str:
        """Component of the foundation that it acts on."""
        return self._inner.component()

    @property
    def instructions(self) -> str | None:
        """System message that it was trained with. A session that is given this adapter begins with it."""
        return self._inner.instructions()

    @property
    def labels(self) -> list[str]:
        """Its class names."""
        return self._inner.labels()

    @property
    def bytes(self) -> int:
        """Bytes of its matrices."""
        return self._inner.bytes()

    def __repr__(self) -> str:
        return f"Adapter({self.alias!r}, generation={self.generation}, component={self.component!r})"


def inner(adapter: Adapter | None) -> ffi.Adapter | None:
    """What the engine knows it as."""
    return None if adapter is None else adapter._inner
