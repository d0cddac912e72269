"""Streams: whole when they are let run, over within a token when they are stopped, and never left running."""

from __future__ import annotations

import gc
import random
import threading
import time

import pytest
from scenario import wait_until_idle

import loam

PROMPT, TOKENS = "The cat", 40
SEED = 20_261_125
# One of four is left alone; the others are stopped in one way each.
WAYS = ("whole", "break", "close", "other thread", "with", "dropped", "exception")


@pytest.fixture(scope="module")
def full(engine: loam.Engine) -> str:
    text = engine.attach("com.example.mail").generate(PROMPT, max_tokens=TOKENS).text()
    assert text
    return text


class Enough(Exception):
    """Raised in the middle of a loop over a stream."""


def receive(app: loam.App, way: str, after: int, delay: float) -> tuple[str, loam.FinishReason | None]:
    """Opens a stream and ends it that way after so many events: what came, and why it ended where that is known."""
    stream, taken = app.generate(PROMPT, max_tokens=TOKENS), []

    def take() -> None:
        for event in stream:
            if isinstance(event, loam.Event.TEXT):
                taken.append(event.text)
            if len(taken) >= after:
                return

    match way:
        case "whole":
            taken = list(stream.texts())
        case "break":
            take()
        case "close":
            take()
            stream.close()
        case "other thread":
            timer = threading.Timer(delay, stream.stop)
            timer.start()
            taken = list(stream.texts())
            timer.join()
        case "with":
            with stream:
                take()
        case "dropped":
            pass
        case "exception":
            with pytest.raises(Enough), stream:
                for _ in stream:
                    raise Enough
    return "".join(taken), None if stream.stats is None else stream.stats.finish_reason


def test_of_400_streams_none_is_truncated_and_none_goes_on(engine: loam.Engine, full: str) -> None:
    chance = random.Random(SEED)
    plan = [(chance.choice(WAYS), chance.randint(1, TOKENS), chance.random() * 0.01) for _ in range(400)]
    app, failures, lock = engine.attach("com.example.mail"), [], threading.Lock()
    counts = dict.fromkeys(WAYS, 0)

    def work() -> None:
        while True:
            with lock:
                if not plan:
                    return
                way, after, delay = plan.pop()
            text, reason = receive(app, way, after, delay)
            right = full.startswith(text)
            if way == "whole":
                right = text == full and reason == loam.FinishReason.MAX_TOKENS
            elif way == "other thread" and reason == loam.FinishReason.MAX_TOKENS:
                # It was over before it could be stopped.
                right = text == full
            elif way == "other thread":
                right = right and reason == loam.FinishReason.STOPPED
            with lock:
                counts[way] += 1
                if not right:
                    failures.append((way, after, text, reason))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert sum(counts.values()) == 400 and min(counts.values()) > 30, counts
    assert wait_until_idle(engine) == 0


@pytest.mark.parametrize("way", ["with", "close", "stop", "dropped"])
def test_what_is_stopped_costs_no_further_token(nano: loam.Engine, way: str) -> None:
    """Stopped at its first event, a turn of 120 tokens leaves few of them in the history.

    On a real model: a tiny one is through before Python has said a word.
    """
    engine, app = nano, nano.attach("com.example.stop")
    session = app.chat()
    stream = session.respond("Tell me a long story.", max_tokens=120)
    for _ in stream:
        break
    if way == "with":
        with stream:
            pass
    elif way == "close":
        stream.close()
    elif way == "stop":
        stream.stop()
    del stream
    # No `busy`: the session waits for the turn that was stopped.
    assert [message.role for message in session.messages()][:1] == [loam.Role.USER]
    full = app.chat().respond("Tell me a long story.", max_tokens=120).text()
    heard = "".join(message.text for message in session.messages() if message.role == loam.Role.ASSISTANT)
    assert full.startswith(heard) and len(heard) < len(full) / 2
    assert wait_until_idle(engine) == 0


def test_a_stopped_stream_gives_what_came_and_its_end(app: loam.App) -> None:
    stream = app.generate(PROMPT, max_tokens=900)
    next(stream)
    stream.stop()
    events = list(stream)
    assert isinstance(events[-1], loam.Event.DONE)
    assert stream.stats is not None and stream.stats.finish_reason == loam.FinishReason.STOPPED
    assert list(stream) == []


def test_closing_from_another_thread_wakes_the_receiver(app: loam.App) -> None:
    stream = app.generate(PROMPT, max_tokens=TOKENS)
    stream.wait()
    list(stream)
    waiting = app.generate(PROMPT, max_tokens=900)
    received: list[loam.Event] = []
    receiver = threading.Thread(target=lambda: received.extend(waiting))
    receiver.start()
    waiting.close()
    receiver.join(timeout=10)
    assert not receiver.is_alive() and waiting.is_finished


def test_a_failure_is_raised_where_the_events_are_taken(app: loam.App) -> None:
    stream = app.transcribe_stream(loam.Input.text("no sound"))
    with pytest.raises(loam.LoamError.Argument, match="no sound"):
        next(stream)
    assert list(stream) == [] and stream.summary is None


def test_a_session_can_go_on_after_a_loop_was_left(nano: loam.Engine) -> None:
    session = nano.attach("com.example.left").chat()
    for turn in range(5):
        for event in session.respond("Hello", max_tokens=300):
            assert isinstance(event, loam.Event.TEXT)
            break
    assert len(session.messages()) == 10
    session.clear()
    assert session.messages() == []


def test_the_collector_of_garbage_stops_a_stream(engine: loam.Engine, app: loam.App) -> None:
    holder: dict[str, object] = {"stream": app.generate(PROMPT, max_tokens=900)}
    holder["itself"] = holder
    handle = holder["stream"].handle  # type: ignore[attr-defined]
    del holder
    gc.collect()
    handle.wait()
    assert wait_until_idle(engine) == 0


def test_the_engine_never_waits_for_the_receiver(app: loam.App, full: str) -> None:
    stream = app.generate(PROMPT, max_tokens=TOKENS)
    end = time.monotonic() + 10
    while not stream.is_finished and time.monotonic() < end:
        time.sleep(0.001)
    assert stream.is_finished
    assert stream.text() == full
