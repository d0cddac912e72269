"""A sink of the generated layer, for what the package's own streams do not let through: a callback that throws."""

from __future__ import annotations

import time
from typing import Any

import loam
from loam._ffi import loam_ffi as ffi
from loam.session import generate_options


class Listener(ffi.EventSink):
    """Keeps what it hears; takes its time over each event, and fails at the first text, where it is told to."""

    def __init__(self, throws: str | None = None, seconds: float = 0.0) -> None:
        self.throws = throws
        self.seconds = seconds
        self.events: list[loam.Event] = []

    def on_event(self, event: Any) -> bool:
        self.events.append(event)
        time.sleep(self.seconds)
        if self.throws is not None and isinstance(event, loam.Event.TEXT):
            raise RuntimeError(self.throws)
        return True

    def listen(self, session: loam.Session, text: str, max_tokens: int) -> ffi.TaskHandle:
        return session._inner.respond(text, generate_options(max_tokens, None, ()), self)
