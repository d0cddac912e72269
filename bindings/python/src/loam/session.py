"""A conversation."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Sequence

from loam._ffi import loam_ffi as ffi
from loam.adapter import Adapter, inner
from loam.records import Message, Priority, Sampling, Target
from loam.stream import Stream


def generate_options(
    max_tokens: int,
    sampling: Sampling | None,
    stop: Sequence[str],
    priority: Priority | None = None,
    patience_ms: int | None = None,
    deadline_ms: int | None = None,
    target: Target | None = None,
) -> ffi.GenerateOptions:
    """How a generation runs and ends, as the engine takes it."""
    return ffi.GenerateOptions(
        max_tokens=max_tokens,
        sampling=sampling,
        stop=list(stop),
        priority=priority,
        patience_ms=patience_ms,
        deadline_ms=deadline_ms,
        target=target,
    )


class Session:
    """A conversation with the language model. Each turn computes only what the last one did not. One turn runs at a time.

    It lives where the engine is: after the end of a service, all calls raise ``LoamError.Lost``.

    A turn that was stopped ends before its next token; every call here waits for that. While a turn runs that was not
    stopped, all calls raise ``LoamError.Argument``.
    """

    def __init__(self, session: ffi.Session) -> None:
        """For the package itself: sessions come from :meth:`App.chat`."""
        self._inner = session
        # Filled by streams that are stopped, also when the collector of garbage does it: appending needs no lock.
        self._stopped: deque[ffi.TaskHandle] = deque()

    def respond(
        self,
        text: str,
        *,
        max_tokens: int = 256,
        sampling: Sampling | None = None,
        stop: Sequence[str] = (),
        priority: Priority | None = None,
        patience_ms: int | None = None,
        deadline_ms: int | None = None,
        target: Target | None = None,
    ) -> Stream:
        """Answers ``text``. What was generated becomes part of the history, also when the stream was stopped; after a
        failure the history is as before.

        Args:
            text: what the user says.
            max_tokens: tokens to generate at most.
            sampling: how tokens are chosen; greedy when absent.
            stop: texts that end the generation; they are not part of the result.
            priority: how urgent it is beside what other apps ask for; normal when absent.
            patience_ms: how long it may wait for its turn: it fails with ``LoamError.Refused`` after that.
            deadline_ms: when it is to be over, counted from now: it ends with what there is, and
                ``FinishReason.DEADLINE``; it fails with ``LoamError.Refused`` where its turn has not come by then.
            target: how fast it is to be; ``achieved`` of its statistics says whether it was.
        """
        options = generate_options(max_tokens, sampling, stop, priority, patience_ms, deadline_ms, target)
        between = self._between_turns()
        return Stream(lambda sink: between.respond(text, options, sink), self._stopped.append)

    def _between_turns(self) -> ffi.Session:
        """The conversation, once a turn that was stopped is over: within a token."""
        while self._stopped:
            # It stays where other threads see it until it is over.
            try:
                turn = self._stopped[0]
            except IndexError:
                break
            with contextlib.suppress(ffi.LoamError):
                # Its receiver was told.
                turn.wait()
            with contextlib.suppress(ValueError):
                self._stopped.remove(turn)
        return self._inner

    def messages(self) -> list[Message]:
        """The history, instructions included."""
        return self._between_turns().messages()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the conversation to a file, with what was computed for it, so that :meth:`App.restore` goes on with it in
        another process as this one would. The file takes the place of what was there when it is whole and on the disk.

        Raises:
            LoamError.Io: and then what was there stays.
        """
        self._between_turns().save(os.fspath(path))

    def set_adapter(self, adapter: Adapter | None) -> None:
        """Answers from now on with another adapter, or with the bare base. The history stays; what was computed for it
        does not."""
        self._between_turns().set_adapter(inner(adapter))

    def set_instructions(self, instructions: str | None) -> None:
        """Replaces the system message, or removes it."""
        self._between_turns().set_instructions(instructions)

    def clear(self) -> None:
        """Forgets everything but the instructions."""
        self._between_turns().clear()
