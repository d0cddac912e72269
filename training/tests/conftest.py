"""Tiny runs as fixtures."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch
from tiny import Tiny


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Results that repeat, and processors left to others."""
    torch.set_num_threads(1)


@pytest.fixture
def motion(tmp_path: Path) -> Tiny:
    return tiny.make("imu", tmp_path)


@pytest.fixture
def pictures(tmp_path: Path) -> Tiny:
    return tiny.make("image", tmp_path)


@pytest.fixture
def sounds(tmp_path: Path) -> Tiny:
    return tiny.make("sound", tmp_path)


@pytest.fixture(params=["imu", "image", "sound"])
def any_run(request: pytest.FixtureRequest, tmp_path: Path) -> Tiny:
    """Each modality in turn."""
    return tiny.make(request.param, tmp_path)
