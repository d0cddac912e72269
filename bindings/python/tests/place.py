"""Where the tests find what they work on."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
CASES = REPOSITORY / "bindings/scenarios/cases.json"
README = REPOSITORY / "bindings/python/README.md"
PACKAGE = REPOSITORY / "bindings/python/src/loam"
TRAINED = REPOSITORY / "models/adapters"

_target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
# Made by `make ffi`.
LOAMD = Path(os.environ.get("LOAMD", _target / "release/loamd"))
# Made by `make scenarios`.
SCENARIOS = Path(os.environ.get("SCENARIOS", _target / "scenarios"))
TINY = SCENARIOS / "tiny"

_cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
NANO = Path(os.environ.get("LOAM_HOME", _cache / "loam")) / "foundations/loam-nano"
"""The real foundation, where it was pulled."""

RUNTIME = Path(os.environ.get("LOAM_ONNXRUNTIME", ""))
"""The library of ONNX Runtime, where `delegates/setup.sh` fetched it."""
