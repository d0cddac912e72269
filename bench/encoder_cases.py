"""The networks that `encoders.py` measures: published shapes, random weights.

Another encoder is one more line in the file of its kind.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Formulae, builders and towers are parity's.
sys.path.append(str(Path(__file__).resolve().parent.parent / "parity"))

import formula_cases  # noqa: E402
import own_cases  # noqa: E402
import transformers_cases  # noqa: E402

CASES = (*transformers_cases.CASES, *formula_cases.CASES, *own_cases.CASES)
