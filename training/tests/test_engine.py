"""A tower trained here runs in the Rust engine, and both agree window by window. Needs the wheel, `loam` and a foundation."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from loam_train import component, places, towers
from loam_train.run import Run

LOAM = os.environ.get("LOAM", "loam")

pytest.importorskip("loam")
pytestmark = pytest.mark.skipif(
    shutil.which(LOAM) is None or not (places.foundation() / "foundation.json").exists(),
    reason="no loam command, or no installed foundation",
)


def test_engine_and_torch_agree(run: Run, config: Path, root: Path, tmp_path: Path) -> None:
    from loam_train import check
    from loam_train.engine import Engine, build_foundation

    data, text = towers.load(run, root), Engine(places.foundation())
    towers.train(run, config, data, text.embed, tmp_path, tmp_path / "imu")
    build_foundation(tmp_path / "imu", "made here", places.foundation(), tmp_path / "foundation", LOAM)
    engine = Engine(tmp_path / "foundation")
    stored = component.read(tmp_path / "imu")
    # One set is in the engine's units, the other in g, deg/s, 50 Hz and iOS's sign.
    for one in (check.compare(s, stored, engine, run, 18) for s in data):
        assert one.agreement == 100
        assert one.difference <= check.TOLERANCE
        assert one.torch > 100 / one.classes
