"""The engine, as apps open it."""

from __future__ import annotations

import os

from loam._ffi import loam_ffi as ffi
from loam.app import App
from loam.records import FoundationInfo, ProcessMemory, Verify


class Engine:
    """One foundation and the apps that use it. All calls are safe from any thread.

    It lives as long as anything that came from it. A process that forks takes none of its threads along: open it in the
    process that uses it.
    """

    def __init__(self, engine: ffi.Engine) -> None:
        """For the package itself: engines are opened by :meth:`open`."""
        self._inner = engine

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], *, component_budget: int | None = None, verify: Verify = Verify.SIZES
    ) -> Engine:
        """Opens a foundation directory, a GGUF file or a Hugging Face directory. Loads no component yet.

        Args:
            path: where it is.
            component_budget: bytes of weight files that loaded components may map at a time; all when absent.
            verify: how closely files are looked at: sizes take microseconds, digests about a second per GB.

        Raises:
            LoamError.Io, LoamError.Malformed, LoamError.Unsupported, LoamError.Digest: for its files.
        """
        options = ffi.EngineOptions(component_budget=component_budget, verify=verify)
        return cls(ffi.Engine.open(os.fspath(path), options))

    def attach(self, id: str) -> App:
        """Attaches the app ``id``, such as ``com.example.mail``. Its adapters are its own.

        Raises:
            LoamError.Argument: for a name with other characters than letters, digits, ``.``, ``-`` and ``_``.
        """
        return App(self._inner.attach(id))

    def foundation(self) -> FoundationInfo:
        """What is open, and which parts of it are loaded."""
        return self._inner.foundation()

    def unload(self, component: str) -> bool:
        """Drops a component, which comes back when it is needed; whether it was loaded."""
        return self._inner.unload(component)

    def active_streams(self) -> int:
        """Streams that wait or run."""
        return self._inner.active_streams()

    def memory(self) -> ProcessMemory | None:
        """Memory of this process, where the system tells."""
        return self._inner.memory()

    def __repr__(self) -> str:
        info = self.foundation()
        return f"Engine({info.id!r}, components={[component.name for component in info.components]})"
