"""What tests share: engines that stay open, since opening is not what most of them test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from place import NANO, TINY

import loam


@pytest.fixture(scope="session")
def engine() -> loam.Engine:
    if not TINY.exists():
        pytest.fail(f"{TINY} is not there: run `make scenarios` first")
    return loam.Engine.open(TINY)


@pytest.fixture
def app(engine: loam.Engine) -> loam.App:
    return engine.attach("com.example.mail")


@pytest.fixture(scope="session")
def nano() -> loam.Engine:
    if not NANO.exists():
        pytest.skip("run `loam pull loam-nano` first")
    return loam.Engine.open(NANO)


@pytest.fixture
def silent_log() -> Iterator[None]:
    """A log that the test may set, and that is off afterwards."""
    yield
    loam.log_to_platform(loam.LogLevel.OFF)
