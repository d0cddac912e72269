"""`own`: models of one task each for what is no class, scored by `loam bench score`."""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from .. import places
from ..arguments import add_loam, at_least, minutes, positive
from ..errors import InputError
from .tasks import TASKS, Made, Task

BASELINES: Path = places.ROOT / "bench" / "eai" / "baselines.json"


def add_commands(commands: Any) -> None:
    """Adds it to the subparsers of the program."""
    own = commands.add_parser(
        "own",
        help="models of one task each whose answers are texts or likenesses, into bench/eai/baselines.json",
        epilog="example: python -m loam_train own correct summary --loam target/release/loam",
    )
    own.add_argument("tasks", nargs="*", metavar="TASK", help=f"all by default, of {', '.join(TASKS)}")
    own.add_argument("--data", type=Path, default=places.SETS, help="folder of all sets")
    own.add_argument("--minutes", type=minutes(10_000), default=8.0, help="of computing, each (default: 8)")
    own.add_argument(
        "--out", type=Path, default=BASELINES, help="the scores, which are put beside those that are there"
    )
    own.add_argument("--seed", type=at_least(0), default=7)
    own.add_argument("--threads", type=positive, default=1, help="of the processor (default: 1)")
    add_loam(own, "the loam command, which scores the answers")
    own.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    unknown = [name for name in chosen.tasks if name not in TASKS]
    if unknown:
        raise InputError(chosen.out, f"task {unknown[0]!r} is unknown, known are {', '.join(TASKS)}")
    for name in chosen.tasks or TASKS:
        task = TASKS[name]
        made = task.make(chosen.data, 60 * chosen.minutes, chosen.seed)
        scored = _scored(task, made, chosen.loam, chosen.data)
        found = {
            "model": made.model,
            "metric": scored["metric"],
            "score": round(scored["score"], 5),
            "bytes": made.size,
        }
        _keep(chosen.out, task.key, found)
        print(f"{name:16} {task.key:32} {json.dumps(found)}", flush=True)
    return 0


def _scored(task: Task, made: Made, binary: str, root: Path) -> dict[str, Any]:
    """What the benchmark says of the answers."""
    with tempfile.TemporaryDirectory() as folder:
        answers = Path(folder) / "answers.jsonl"
        lines = (json.dumps({"id": row, "prediction": found}) + "\n" for row, found in made.predictions)
        answers.write_text("".join(lines), encoding="utf-8")
        where = ["--stand-in", task.set, "--data", str(root)]
        if made.rows is not None:
            where = ["--named", task.set, "--data", str(made.rows)]
        command = [binary, "bench", "score", "--task", task.id, *where]
        try:
            command += ["--answers", str(answers), "--json"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise InputError(Path(binary), f"{error.strerror}; --loam says where the loam command is") from error
    if done.returncode:
        raise InputError(answers, f"{binary} refused it: {done.stderr.strip()}")
    scored: dict[str, Any] = json.loads(done.stdout)
    return scored


def _keep(path: Path, key: str, found: dict[str, Any]) -> None:
    """Puts it beside those that are there; the file is whole at any time."""
    all_: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    all_[key] = found
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(all_, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
