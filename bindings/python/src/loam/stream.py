"""Streams: text as it is generated, speech as it is understood.

A stream runs on a thread of the engine from the moment it is made. Its events wait in a queue until somebody asks for them,
by ``for`` or by ``async for``; the engine never waits for the receiver.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Any

from loam._ffi import loam_ffi as ffi
from loam.records import GenerateStats, TranscriptSummary
from loam.variants import Event


class _Inbox(ffi.EventSink):
    """Takes events on the engine's thread. It does not know the stream, which can be dropped while the engine still runs."""

    def __init__(self) -> None:
        # `None` wakes a receiver whose stream was closed by another thread.
        self.events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self.waker: Callable[[], object] | None = None

    # The generated class, which variants.pyi describes under another name.
    def on_event(self, event: Any) -> bool:
        self.put(event)
        return True

    def put(self, event: Event | None) -> None:
        self.events.put(event)
        waker = self.waker
        if waker is not None:
            # The loop may be closed: whoever waited is gone.
            with contextlib.suppress(RuntimeError):
                waker()


class Stream(Iterator[Event], AsyncIterator[Event]):
    """A running stream, and the iterator over its events.

    The last event is ``Event.DONE`` or ``Event.TRANSCRIBED``; a failure is raised instead. The work stops before its next
    token when :meth:`stop` or :meth:`close` is called, when a ``with`` block ends, and when the stream is dropped, as a
    ``for`` loop does that is left by ``break``. It has one receiver: iterate in one thread or task at a time.
    """

    def __init__(
        self,
        begin: Callable[[ffi.EventSink], ffi.TaskHandle],
        on_stop: Callable[[ffi.TaskHandle], None] | None = None,
    ) -> None:
        """For the package itself: ``begin`` starts the work, whose events go to the sink that it is given."""
        self._on_stop = on_stop
        self._inbox = _Inbox()
        self._over = False
        self._stats: GenerateStats | None = None
        self._summary: TranscriptSummary | None = None
        self.handle: ffi.TaskHandle = _running.begin(lambda: begin(self._inbox))
        """The engine's own handle, which does not keep the stream alive."""

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Event:
        """Waits for the next event. Other threads go on."""
        event = None if self._over else self._inbox.events.get()
        if event is None:
            raise StopIteration
        return self._taken(event)

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Event:
        """Waits for the next event without blocking the event loop. A task that is cancelled meanwhile stops the stream."""
        try:
            event = None if self._over else await self._arrival()
        except asyncio.CancelledError:
            self.stop()
            raise
        if event is None:
            raise StopAsyncIteration
        return self._taken(event)

    async def _arrival(self) -> Event | None:
        loop = asyncio.get_running_loop()
        inbox = self._inbox
        while True:
            arrived = asyncio.Event()
            inbox.waker = lambda: loop.call_soon_threadsafe(arrived.set)
            try:
                # Asked for after the waker was set: an event in between would wake nobody.
                return inbox.events.get_nowait()
            except queue.Empty:
                await arrived.wait()
            finally:
                inbox.waker = None

    def _taken(self, event: Event) -> Event:
        if isinstance(event, Event.FAILED):
            self._over = True
            raise event.error
        if isinstance(event, Event.DONE):
            self._over = True
            self._stats = event.stats
        elif isinstance(event, Event.TRANSCRIBED):
            self._over = True
            self._summary = event.summary
        return event

    def texts(self) -> Iterator[str]:
        """The pieces of generated text alone, as they come."""
        for event in self:
            if isinstance(event, Event.TEXT):
                yield event.text

    def text(self) -> str:
        """Waits for the end and gives all generated text that was not yet taken."""
        return "".join(self.texts())

    @property
    def stats(self) -> GenerateStats | None:
        """What a generation cost and what ran; ``None`` before its last event was taken."""
        return self._stats

    @property
    def summary(self) -> TranscriptSummary | None:
        """What a transcription took and what ran; ``None`` before its last event was taken."""
        return self._summary

    @property
    def is_finished(self) -> bool:
        """Whether nothing of it runs any more. Events may still wait to be taken."""
        return self.handle.is_finished()

    def stop(self) -> None:
        """Stops it before its next token and returns at once. Events up to the last one can still be taken.

        May be called any number of times, from any thread.
        """
        self.handle.stop()
        if self._on_stop is not None:
            self._on_stop(self.handle)

    def close(self) -> None:
        """Stops it, waits until nothing of it runs, and drops the events that were not taken."""
        self.stop()
        self.wait()
        with contextlib.suppress(queue.Empty, ffi.LoamError):
            while not self._over and (event := self._inbox.events.get_nowait()) is not None:
                self._taken(event)
        self._over = True
        self._inbox.put(None)

    def wait(self) -> None:
        """Blocks until nothing of it runs any more; raises nothing where it failed, which iterating does."""
        with contextlib.suppress(ffi.LoamError):
            self.handle.wait()

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        await asyncio.to_thread(self.close)

    def __del__(self) -> None:
        # Never wait here: the collector may run on the very thread that would be waited for.
        # A stream that could not begin has no handle.
        if hasattr(self, "handle"):
            self.stop()


class _Running:
    """The handles of all streams that run, also of those that nobody holds any more.

    A thread of the engine that calls into an interpreter which is going down would take the process with it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handles: list[ffi.TaskHandle] = []
        self._ended = False

    def begin(self, begin: Callable[[], ffi.TaskHandle]) -> ffi.TaskHandle:
        with self._lock:
            if self._ended:
                raise RuntimeError("a stream cannot begin while the interpreter ends")
            handle = begin()
            self._handles = [other for other in self._handles if not other.is_finished()]
            self._handles.append(handle)
        return handle

    def end(self) -> None:
        with self._lock:
            self._ended = True
        for handle in self._handles:
            handle.stop()
        for handle in self._handles:
            with contextlib.suppress(ffi.LoamError):
                handle.wait()


    def forget(self) -> None:
        """In a child of a fork: the threads that ran them are the parent's. Waiting for them would never end."""
        self._lock = threading.Lock()
        self._handles = []


_running = _Running()
atexit.register(_running.end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_running.forget)
