"""The engine, as apps open it."""

from __future__ import annotations

import os

from loam._ffi import loam_ffi as ffi
from loam.app import App
from loam.records import (
    CacheType,
    Conditions,
    Delegates,
    EngineStatus,
    FoundationInfo,
    PlaceStatus,
    ProcessMemory,
    Quotas,
    Trimmed,
    TrimLevel,
    Verify,
)


def engine_options(
    component_budget: int | None,
    verify: Verify,
    memory_budget: int | None,
    swap: str | os.PathLike[str] | None,
    cache_type: CacheType | None,
    delegates: Delegates | None,
) -> ffi.EngineOptions:
    """How an engine is opened, as the engine takes it."""
    return ffi.EngineOptions(
        component_budget=component_budget,
        verify=verify,
        memory_budget=memory_budget,
        swap=None if swap is None else os.fspath(swap),
        cache_type=cache_type,
        delegates=delegates,
    )


class Engine:
    """One foundation and the apps that use it, in this process or in a service. All calls are safe from any thread.

    It lives as long as anything that came from it. A process that forks takes none of its threads along: open it, or
    connect, in the process that uses it.
    """

    def __init__(self, engine: ffi.Engine) -> None:
        """For the package itself: engines come from :meth:`open` and :meth:`connect`."""
        self._inner = engine

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        component_budget: int | None = None,
        verify: Verify = Verify.SIZES,
        memory_budget: int | None = None,
        swap: str | os.PathLike[str] | None = None,
        cache_type: CacheType | None = None,
        delegates: Delegates | None = None,
    ) -> Engine:
        """Opens a foundation directory, a GGUF file or a Hugging Face directory here. Loads no component yet.

        Args:
            path: where it is.
            component_budget: bytes of weight files that loaded components may map at a time; all when absent.
            verify: how closely files are looked at: sizes take microseconds, digests about a second per GB.
            memory_budget: bytes of keys and values, adapters, activations and weights that are packed in memory; as many as
                the device has when absent. What does not fit raises ``LoamError.Memory``.
            swap: a folder of the app's own that conversations at rest go to when memory is short; they are computed again
                when absent.
            cache_type: how keys and values are kept; halves when absent, or singles where the weights are.
            delegates: processors beside the one that everything runs on; that one alone when absent.

        Raises:
            LoamError.Io, LoamError.Malformed, LoamError.Unsupported, LoamError.Digest: for its files.
            LoamError.Unsupported: naming a delegate that this system or this build does not have.
        """
        options = engine_options(component_budget, verify, memory_budget, swap, cache_type, delegates)
        return cls(ffi.Engine.open(os.fspath(path), options))

    @classmethod
    def connect(cls, path: str | os.PathLike[str]) -> Engine:
        """Connects to the service (``loamd``, or a :class:`Host`) that listens on the Unix socket at ``path``.

        When it ends, calls under way raise ``LoamError.Disconnected``, and the next ones connect again, for up to two
        seconds. Adapters are there then; conversations, transcriptions and sensors raise ``LoamError.Lost``.

        Raises:
            LoamError.Disconnected: where nobody answers.
            LoamError.Version: for a service of another protocol.
            LoamError.Refused: beyond its limits.
            LoamError.Unsupported: on other systems than Linux and Android.
        """
        return cls(ffi.Engine.connect(os.fspath(path)))

    @classmethod
    def connect_fd(cls, fd: int, app: str) -> Engine:
        """Uses the service at the other end of a connected Unix socket, such as one end of ``socket.socketpair()``.

        The descriptor is the engine's from now on, also when this fails: give ``socket.detach()``. One socket is one app:
        ``app`` is the only name that can be attached. When the connection has ended, every call raises
        ``LoamError.Disconnected``: nothing can be connected to again.

        Raises:
            LoamError.Argument: for what is no connected Unix socket, and for the name.
            LoamError.Disconnected, LoamError.Version, LoamError.Refused, LoamError.Unsupported: as :meth:`connect`.
        """
        return cls(ffi.Engine.connect_fd(fd, app))

    def attach(self, id: str) -> App:
        """Attaches the app ``id``, such as ``com.example.mail``. Its adapters are its own; in a service they are those of
        the app of this name and this user.

        Raises:
            LoamError.Argument: for a name with other characters than letters, digits, ``.``, ``-`` and ``_``.
        """
        return App(self._inner.attach(id))

    def foundation(self) -> FoundationInfo:
        """What is open, and which parts of it are loaded."""
        return self._inner.foundation()

    def unload(self, component: str) -> bool:
        """Drops a component, which comes back when it is needed; whether it was loaded. What a service has loaded is its own
        to drop: then nothing is done."""
        return self._inner.unload(component)

    def status(self) -> EngineStatus:
        """What the engine is doing, for all apps. In a service for the user that runs it, and for root.

        Raises:
            LoamError.Refused: for others.
        """
        return self._inner.status()

    def trim(self, level: TrimLevel) -> Trimmed:
        """Gives memory back. What runs keeps what it has; whatever is needed later comes back by itself.

        Raises:
            LoamError.Refused: as :meth:`status`.
        """
        return self._inner.trim(level)

    def set_conditions(self, conditions: Conditions) -> None:
        """Says how hot the device is and how it is powered, which changes how many threads work and whether background
        requests are taken; those that were taken before go on, and no result changes. Nobody says it in Python but you.

        Raises:
            LoamError.Unsupported: for an engine in a service, whose own process says it.
        """
        self._inner.set_conditions(conditions)

    def places(self) -> list[PlaceStatus]:
        """Where components run that are loaded and that delegates were asked for; none of an engine without delegates.

        Raises:
            LoamError.Refused: as :meth:`status`.
        """
        return self._inner.places()

    def wait_for_delegates(self, component: str) -> None:
        """Loads ``component``, and returns when its delegates are ready or were given up; :meth:`places` tells which. The
        processor serves until then, so that nobody has to wait. In a coroutine it goes through ``asyncio.to_thread``.

        Raises:
            LoamError.MissingComponent: for a name that the foundation does not have.
            LoamError.Unsupported: for an engine in a service, which prepares components when apps first use them.
        """
        self._inner.wait_for_delegates(component)

    def quotas(self, id: str) -> Quotas:
        """What the app ``id`` may ask for and hold.

        Raises:
            LoamError.Refused: as :meth:`status`.
            LoamError.Argument: for a name that no app can have.
        """
        return self._inner.quotas(id)

    def set_quotas(self, id: str, quotas: Quotas) -> None:
        """Bounds what the app ``id`` may ask for and hold from now on, whether it is attached yet or not; in a service the
        app of this name of any user.

        Raises:
            LoamError.Refused, LoamError.Argument: as :meth:`quotas`.
        """
        self._inner.set_quotas(id, quotas)

    def active_streams(self) -> int:
        """Streams that wait or run, without those that others have begun in a service."""
        return self._inner.active_streams()

    def memory(self) -> ProcessMemory | None:
        """Memory of this process, where the system tells. A foundation in a service is not in it."""
        return self._inner.memory()

    def __repr__(self) -> str:
        info = self.foundation()
        return f"Engine({info.id!r}, components={[component.name for component in info.components]})"
