"""The live checks, one module each, and the row of the table they all produce."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from loam import Refused


@dataclass(frozen=True)
class Row:
    """One line of the report. `holds` is None for a number that is shown but not judged."""

    case: str
    measured: str
    limit: str
    holds: bool | None


def at_most(case: str, value: float, limit: float) -> Row:
    return Row(case, f"{value:.2e}", f"<= {limit:.0e}", value <= limit)


def at_least(case: str, value: float, limit: float) -> Row:
    return Row(case, f"{value:.6f}", f">= {limit}", value >= limit)


def shown(case: str, value: float) -> Row:
    return Row(case, f"{value:.6f}", "", None)


def guarded(case: str, check: Callable[[], Row]) -> Iterator[Row]:
    """The row of `check`, or a failed one that says how the engine gave up."""
    try:
        yield check()
    except (Refused, RuntimeError, KeyError, ValueError, OSError) as error:
        yield Row(case, brief(f"{type(error).__name__}: {error}"), "", False)


def brief(message: str) -> str:
    """`message` on one line of the table."""
    return " ".join(message.split())[:100]
