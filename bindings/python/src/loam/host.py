"""A service within a process."""

from __future__ import annotations

import os
from types import TracebackType

from loam._ffi import loam_ffi as ffi
from loam.engine import engine_options
from loam.records import (
    CacheType,
    Conditions,
    Delegates,
    EngineStatus,
    FoundationInfo,
    PlaceStatus,
    Quotas,
    Trimmed,
    TrimLevel,
    Verify,
)


class Host:
    """A service in this process: one foundation for apps in others, as ``loamd`` is. Linux and Android.

    As a context manager it ends with its block. What its clients have installed stays in its state folder.
    """

    def __init__(
        self,
        foundation: str | os.PathLike[str],
        state: str | os.PathLike[str],
        *,
        component_budget: int | None = None,
        verify: Verify = Verify.SIZES,
        memory_budget: int | None = None,
        swap: str | os.PathLike[str] | None = None,
        cache_type: CacheType | None = None,
        delegates: Delegates | None = None,
    ) -> None:
        """Opens a foundation, and the folder for the adapters of all apps.

        Args:
            foundation: as for :meth:`Engine.open`.
            state: the folder, which is made where it is not there, for this user alone.
            component_budget: as for :meth:`Engine.open`.
            verify: as for :meth:`Engine.open`.
            memory_budget: as for :meth:`Engine.open`.
            swap: as for :meth:`Engine.open`.
            cache_type: as for :meth:`Engine.open`.
            delegates: as for :meth:`Engine.open`.

        Raises:
            LoamError.Io: where another service uses the folder; otherwise as :meth:`Engine.open`.
            LoamError.Unsupported: on other systems.
        """
        options = engine_options(component_budget, verify, memory_budget, swap, cache_type, delegates)
        self._inner = ffi.Host.open(os.fspath(foundation), os.fspath(state), options)

    def listen(self, path: str | os.PathLike[str]) -> None:
        """Accepts clients of this user at a Unix socket that is made at ``path``, on another thread, until the end.

        Raises:
            LoamError.Io: where something answers there or something else lies there.
        """
        self._inner.listen(os.fspath(path))

    def serve_fd(self, fd: int, app: str) -> None:
        """Serves the client at the other end of a connected Unix socket, on another thread, until it goes.

        The descriptor is the host's from now on, also when this fails: give ``socket.detach()``. The client is ``app``,
        whatever it says itself.

        Raises:
            LoamError.Refused: beyond a limit and after the end.
            LoamError.Argument: for what is no connected Unix socket.
        """
        self._inner.serve_fd(fd, app)

    def foundation(self) -> FoundationInfo:
        """What is open, and which parts of it are loaded."""
        return self._inner.foundation()

    def connections(self) -> int:
        """Clients that are connected."""
        return self._inner.connections()

    def active_calls(self) -> int:
        """Calls under way, of all clients."""
        return self._inner.active_calls()

    def trim(self, level: TrimLevel) -> Trimmed:
        """Gives memory back. What runs keeps what it has; whatever is needed later comes back by itself."""
        return self._inner.trim(level)

    def status(self) -> EngineStatus:
        """What the engine is doing, for all apps."""
        return self._inner.status()

    def places(self) -> list[PlaceStatus]:
        """Where components run that are loaded and that delegates were asked for."""
        return self._inner.places()

    def set_conditions(self, conditions: Conditions) -> None:
        """Says how hot the device is and how it is powered, for all apps; as :meth:`Engine.set_conditions`."""
        self._inner.set_conditions(conditions)

    def quotas(self, app: str) -> Quotas:
        """What the app ``app`` may ask for and hold.

        Raises:
            LoamError.Argument: for a name that no app can have.
        """
        return self._inner.quotas(app)

    def set_quotas(self, app: str, quotas: Quotas) -> None:
        """Bounds what the app ``app`` may ask for and hold from now on, whether it is connected yet or not: the name that
        :meth:`serve_fd` is given, or that clients of :meth:`listen` give themselves.

        Raises:
            LoamError.Argument: for a name that no app can have.
        """
        self._inner.set_quotas(app, quotas)

    def end(self) -> None:
        """Disconnects all clients, removes the sockets, and lets nobody in any more. May be called more than once."""
        self._inner.end()

    def __enter__(self) -> Host:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
