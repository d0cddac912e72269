"""Writes the cases of `bench/eai/tests/cases`: inputs of metrics, and what the reference implementations make of them.

    python -m venv VENV && VENV/bin/pip install -r requirements.txt
    VENV/bin/python make_cases.py --official DIR

Three references are scripts that no package brings. DIR holds them as their authors publish them: `jfleg/gleu.py`
(github.com/keisks/jfleg, eval/), `slurp/metrics` (github.com/pswietojanski/slurp, scripts/evaluation/) and
`vqa/vqa_eval.py` (github.com/salesforce/LAVIS, lavis/common/vqa_tools/, which is the evaluation of VQA for Python 3).
All inputs are our own or random with a seed, so that a second run writes the same files.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import labels
import objects
import pictures
import scripts
import texts

CASES = Path(__file__).parent.parent / "tests" / "cases"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--official", type=Path, required=True, help="folder of the three scripts")
    arguments = parser.parse_args()
    made = labels.cases() | texts.cases() | pictures.cases() | objects.cases() | scripts.cases(arguments.official)
    CASES.mkdir(parents=True, exist_ok=True)
    for name, cases in made.items():
        text = "[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]\n"
        (CASES / f"{name}.json").write_text(text, encoding="utf-8")
        print(f"{name}: {len(cases)} cases, {len(text)} bytes")


if __name__ == "__main__":
    main()
