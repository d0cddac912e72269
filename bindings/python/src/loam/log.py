"""Where log records go."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable

from loam._ffi import loam_ffi as ffi
from loam.records import LogLevel

_LEVELS = {
    LogLevel.ERROR: logging.ERROR,
    LogLevel.WARN: logging.WARNING,
    LogLevel.INFO: logging.INFO,
    LogLevel.DEBUG: logging.DEBUG,
    # Python has no level below DEBUG.
    LogLevel.TRACE: logging.DEBUG,
}


class _Sink(ffi.LogSink):
    def __init__(self, record: Callable[[LogLevel, str, str], None]) -> None:
        self._record = record

    def record(self, level: LogLevel, target: str, message: str) -> None:
        self._record(level, target, message)


def log_to(level: LogLevel, sink: Callable[[LogLevel, str, str], None]) -> None:
    """Gives records of ``level`` and above to ``sink(level, target, message)``, from any thread.

    Nothing is logged before this or one of the others is called; the last call counts. An exception of the sink is dropped.
    What the sink itself makes the engine log is dropped.

    Raises:
        LoamError.Unsupported: when other Rust code of the process has set a logger, and from within a sink.
    """
    ffi.log_to(level, _Sink(sink))


def log_to_logging(level: LogLevel = LogLevel.TRACE, logger: logging.Logger | None = None) -> None:
    """Gives records to Python's logging: to ``logger``, or to the one called ``loam``.

    ``level`` bounds what reaches Python at all; what it then does with a record is logging's own affair.
    """
    target_logger = logger or logging.getLogger("loam")

    def record(level: LogLevel, target: str, message: str) -> None:
        target_logger.log(_LEVELS[level], "%s: %s", target, message)

    log_to(level, record)


def log_to_platform(level: LogLevel) -> None:
    """Logs to standard error; to the unified log on Apple's systems."""
    ffi.log_to_platform(level)


# No record may reach a sink in an interpreter that is going down. This waits for the one that is under way.
atexit.register(log_to_platform, LogLevel.OFF)
