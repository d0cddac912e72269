"""Log records reach whoever asks for them."""

from __future__ import annotations

import logging

import pytest
from place import TINY

import loam


@pytest.mark.usefixtures("silent_log")
def test_log_records_reach_a_sink() -> None:
    records: list[tuple[loam.LogLevel, str, str]] = []
    loam.log_to(loam.LogLevel.TRACE, lambda *record: records.append(record))
    load_and_drop()
    assert any(level == loam.LogLevel.INFO and "loam" in target for level, target, _ in records), records
    assert any("vision-language" in message for *_, message in records), records
    count = len(records)
    loam.log_to(loam.LogLevel.OFF, lambda *record: records.append(record))
    load_and_drop()
    assert len(records) == count


@pytest.mark.usefixtures("silent_log")
def test_log_records_reach_the_logging_of_python(caplog: pytest.LogCaptureFixture) -> None:
    loam.log_to_logging(loam.LogLevel.INFO)
    with caplog.at_level(logging.INFO, logger="loam"):
        load_and_drop()
    assert any(record.name == "loam" and record.levelno == logging.INFO for record in caplog.records)


@pytest.mark.usefixtures("silent_log")
def test_a_sink_may_use_the_engine_and_changes_no_destination() -> None:
    engine = loam.Engine.open(TINY)
    app = engine.attach("com.example.log")
    found: list[object] = []

    def sink(level: loam.LogLevel, target: str, message: str) -> None:
        found.append(app.embed(loam.Input.text("a dog")).vector.size)
        engine.unload("text")
        try:
            loam.log_to_platform(loam.LogLevel.OFF)
        except loam.LoamError.Unsupported as refused:
            found.append(refused.code())

    loam.log_to(loam.LogLevel.INFO, sink)
    app.embed(loam.Input.text("a cat"))
    assert found and found[:2] == [16, 5], found


@pytest.mark.usefixtures("silent_log")
def test_a_sink_that_throws_does_no_harm() -> None:
    calls = []

    def sink(level: loam.LogLevel, target: str, message: str) -> None:
        calls.append(message)
        raise RuntimeError("the disk is full")

    loam.log_to(loam.LogLevel.TRACE, sink)
    load_and_drop()
    assert calls


def load_and_drop() -> None:
    """Something that is logged."""
    engine = loam.Engine.open(TINY)
    assert engine.attach("com.example.mail").generate("The cat", max_tokens=2).text()
    assert engine.unload("vision-language")
