"""`demo`: a few rows of test splits with free licences, as files that the tour shows.

Rows are taken evenly over a split, not chosen by how well they come out.
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import places
from ..errors import InputError
from . import files
from .example import Example
from .folder import DataFolder, open_data

MARK = ".loam-demo"
"""In directories that this command made, and may replace."""


@dataclass(frozen=True)
class Sample:
    """How many rows of a set, and on what terms."""

    folder: str
    rows: int
    licence: str


SAMPLES = (
    Sample("slurp_topic", 4, "CC BY 4.0 (text), SLURP, Bastianelli et al. 2020"),
    Sample("clinc150", 4, "CC BY 3.0, Larson et al. 2019"),
    Sample("mnist", 4, "CC BY-SA 3.0, Y. LeCun, C. Cortes"),
    Sample("fashion_mnist", 4, "MIT, Zalando SE"),
    Sample("easy_vqa", 4, "MIT, Victor Zhou"),
    Sample("fsdd", 4, "CC BY-SA 4.0, Free Spoken Digit Dataset"),
    Sample("esc10", 3, "CC BY 3.0, K. J. Piczak and the recordists on freesound.org named in ESC-50's repository"),
    Sample("yesno", 2, "free, OpenSLR 1"),
    Sample("wisdm_watch", 4, "CC BY 4.0, G. M. Weiss, WISDM Lab"),
)


def add_commands(commands: Any) -> None:
    """Adds `demo` to the subparsers of the program."""
    demo = commands.add_parser("demo", help="write the files of `loam tour`")
    demo.add_argument("out", type=Path, help="directory, models/demo in the repository")
    demo.add_argument("--folders", type=Path, default=places.cache() / "folders", help="where `folders` wrote")
    demo.set_defaults(run=_demo)


def _demo(chosen: argparse.Namespace) -> int:
    out: Path = chosen.out
    if out.exists() and any(out.iterdir()) and not (out / MARK).exists():
        raise InputError(out, "it holds other files than those that this command writes")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / MARK).touch()
    lines = ["# Files of the tour", ""]
    lines += ["Rows of test splits, evenly taken; made by `python -m loam_train demo models/demo`.", ""]
    lines += ["| folder | rows | terms |", "|---|---|---|"]
    for sample in SAMPLES:
        data = open_data(chosen.folders / sample.folder)
        count = write(data, sample, out / sample.folder)
        lines.append(f"| `{sample.folder}` | {count} | {sample.licence} |")
        print(f"{sample.folder:16} {count} rows")
    (out / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


def write(data: DataFolder, sample: Sample, out: Path) -> int:
    """A data folder whose test split is a few rows of `data`'s."""
    rows = data.split("test").examples
    step = len(rows) // sample.rows
    # Each from the middle of its part: at the ends lie the first and last class alone.
    chosen = [rows[step * at + step // 2] for at in range(sample.rows)]
    (out / "test").mkdir(parents=True)
    listed = []
    for number, example in enumerate(chosen):
        made: dict[str, Any] = {}
        if example.file is not None:
            made["file_name"] = _copy(example, number, out / "test")
        made |= {"text": example.text} if example.text else {}
        made |= {"label": example.label} if example.label is not None else {"output": example.outputs[0]}
        listed.append(json.dumps(made, ensure_ascii=False) + "\n")
    (out / "test" / "metadata.jsonl").write_text("".join(listed), encoding="utf-8")
    told = json.loads((data.path / "data.json").read_text(encoding="utf-8")) | {"licence": sample.licence}
    (out / "data.json").write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return len(chosen)


def _copy(example: Example, number: int, out: Path) -> str:
    """The row's file as it is; a recording of motion, which lies among others, as a table."""
    if example.file is None:
        raise ValueError(f"{example.where} has no file")
    if example.index is None:
        name = example.file.name
        shutil.copyfile(example.file, out / name)
        return name
    name = f"{number:02}.csv"
    np.savetxt(out / name, files.motion(example), fmt="%.4g", delimiter=",")
    return name
