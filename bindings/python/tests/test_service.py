"""Engines in a service: the same table, and what only they do."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from contexts import Case
from daemon import Daemon
from generated import Listener
from place import CASES, SCENARIOS, TINY
from scenario import differences

import loam

# Dropping a component is the service's own affair.
TABLE = [
    case
    for case in json.loads(CASES.read_text(encoding="utf-8"))
    if case["foundation"] == "tiny" and case["op"] != "close"
]


@pytest.mark.parametrize("case", TABLE, ids=[case["name"] for case in TABLE])
def test_every_case_through_loamd(case: dict[str, Any], tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        found = Case(loam.Engine.connect(daemon.socket), case["args"]).outcome(case["op"])
    assert not list(differences("result", found, case["expect"]))


def test_a_service_that_is_killed_and_starts_again(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        engine = loam.Engine.connect(daemon.socket)
        app = engine.attach("com.example.mail")
        voice = app.install_adapter("voice", SCENARIOS / "adapters/voice")
        chat = app.chat()
        assert chat.respond("Hello", max_tokens=4, priority=loam.Priority.INTERACTIVE).text()
        # A receiver that takes its time keeps the turn going until the kill.
        listener = Listener(seconds=0.02)
        turn = listener.listen(chat, "Why?", 200)
        while not listener.events:
            time.sleep(0.001)
        daemon.kill()
        with pytest.raises(loam.LoamError.Disconnected, match="respond") as failed:
            turn.wait()
        assert failed.value.code() == 40
        with pytest.raises(loam.LoamError.Disconnected):
            app.adapters()
        with pytest.raises(loam.LoamError.Lost) as lost:
            chat.messages()
        assert lost.value.what == "session"
        daemon.start()
        assert [adapter.generation for adapter in app.adapters()] == [voice.generation]
        with pytest.raises(loam.LoamError.Lost):
            chat.messages()
        assert app.chat(adapter=voice).respond("Hello", max_tokens=4).text()
        assert engine.foundation().id == "tiny"
        assert not engine.unload("text")


def test_a_deadline_ends_with_what_there_is(app: loam.App) -> None:
    def reason(deadline_ms: int) -> loam.FinishReason | None:
        stream = app.generate("The cat", max_tokens=100_000, patience_ms=10_000, deadline_ms=deadline_ms)
        # One whose turn has not come by then is refused.
        with contextlib.suppress(loam.LoamError.Refused):
            stream.text()
        return stream.stats.finish_reason if stream.stats is not None else None

    # The tiny model fills its window in some 20 ms, or in more on a busy machine.
    assert any(reason(deadline) == loam.FinishReason.DEADLINE for _ in range(20) for deadline in range(1, 50))


def test_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(loam.LoamError.Disconnected, match="nowhere"):
        loam.Engine.connect(tmp_path / "nowhere")


def test_a_host_and_its_client_in_one_process(tmp_path: Path) -> None:
    host = loam.Host(TINY, tmp_path / "state")
    ours, theirs = socket.socketpair()
    host.serve_fd(theirs.detach(), "com.example.mail")
    engine = loam.Engine.connect_fd(ours.detach(), "com.example.mail")
    app = engine.attach("com.example.mail")
    assert app.classify(loam.Input.image_file(SCENARIOS / "square.png"), ["cat", "dog", "bird"]).label == "cat"
    assert host.connections() == 1
    assert any(part.loaded for part in host.foundation().components)
    assert host.trim(loam.TrimLevel.COMPONENTS).components
    assert len(host.status().apps) == 1
    host.set_quotas("com.example.mail", loam.Quotas(waiting=0))
    assert host.quotas("com.example.mail") == loam.Quotas(waiting=0)
    with pytest.raises(loam.LoamError.Refused, match="requests that wait") as refused:
        app.chat().respond("Hello").text()
    assert refused.value.retry_after_ms > 0
    usage = app.usage()
    assert usage.counters.refused == 1 and usage.quotas == loam.Quotas(waiting=0)
    # An app is not who runs the service.
    with pytest.raises(loam.LoamError.Refused):
        engine.set_quotas("com.example.mail", loam.Quotas())
    with pytest.raises(loam.LoamError.Refused):
        engine.status()
    with pytest.raises(loam.LoamError.Argument, match="com.example.mail"):
        engine.attach("com.example.other")
    host.end()
    with pytest.raises(loam.LoamError.Disconnected, match="another one"):
        app.adapters()
        app.adapters()
    with pytest.raises(loam.LoamError.Argument):
        loam.Engine.connect_fd(-1, "com.example.mail")


def _client(fd: int, answers: Any) -> None:
    app = loam.Engine.connect_fd(fd, "com.example.mail").attach("com.example.mail")
    answers.put((app.chat().respond("Hello", max_tokens=8).text(), [adapter.alias for adapter in app.adapters()]))


def test_a_client_in_a_forked_child(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    # Before there is a thread of the host, which a fork would not take along.
    child = context.Process(target=_client, args=(ours.fileno(), answers))
    child.start()
    ours.close()
    with loam.Host(TINY, tmp_path / "state") as host:
        host.listen(tmp_path / "socket")
        host.serve_fd(theirs.detach(), "com.example.mail")
        near = loam.Engine.connect(tmp_path / "socket").attach("com.example.mail")
        text = near.chat().respond("Hello", max_tokens=8).text()
        assert answers.get(timeout=30) == (text, [])
        child.join(30)
        assert child.exitcode == 0
    assert not (tmp_path / "socket").exists()
