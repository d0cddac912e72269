"""`baseline`, `baselines` and `baseline-export` on the command line."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .. import places
from ..arguments import positive
from ..errors import InputError
from . import command, export, plan, sources
from .command import Budget
from .problem import Problem


def add_commands(commands: Any) -> None:
    """Adds them to the subparsers of the program."""
    common = argparse.ArgumentParser(add_help=False)
    encoder = places.foundation() / "text"
    common.add_argument("--encoder", type=Path, default=encoder, help="directory of the text encoder")
    common.add_argument("--models", nargs="+", default=[], metavar="MODEL", help="only these, such as cnn")
    common.add_argument("--threads", type=positive, default=1)
    one = commands.add_parser(
        "baseline",
        parents=[common],
        help="models of a task's own on a data folder",
        epilog="example: python -m loam_train baseline birds --minutes 5",
    )
    one.add_argument("data", type=Path, help="data folder, or a .csv or .jsonl file")
    one.add_argument("--minutes", type=float, default=command.MINUTES, help="of computing by one thread")
    one.add_argument("--rows", type=positive, default=command.ROWS, help="that the text encoder learns from, at most")
    one.add_argument("--mirror", type=float, default=0.0, help="share of pictures that training shows mirrored")
    one.add_argument("--out", type=Path, help="the result's file; in the cache by default")
    one.set_defaults(run=_one)
    many = commands.add_parser(
        "baselines",
        parents=[common],
        help="the same for a list of tasks, as far as there are no results yet",
        epilog="example: python -m loam_train baselines training/configs/baselines.toml",
    )
    many.add_argument("config", type=Path, help="the list, a TOML file")
    many.add_argument("--tasks", nargs="+", default=[], metavar="TASK", help="only these")
    many.add_argument("--data", type=Path, default=places.SETS, help="root of the published sets")
    many.add_argument("--folders", type=Path, help="where the data folders are; in the cache by default")
    many.set_defaults(run=_many)
    files = commands.add_parser(
        "baseline-export",
        help="the networks among them as ONNX files, with first weights",
        epilog="example: python -m loam_train baseline-export exports; then: loam ops --models exports",
    )
    files.add_argument("out", type=Path, help="folder for the files")
    files.add_argument("--encoder", type=Path, default=encoder, help="directory of the text encoder")
    files.set_defaults(run=_export)


def results(work: Path) -> Path:
    """Where results go unless the command line says otherwise."""
    return work / "baselines"


def _one(chosen: argparse.Namespace) -> int:
    if chosen.minutes <= 0:
        raise InputError(chosen.data, f"--minutes is {chosen.minutes}, expected a positive number")
    if not 0 <= chosen.mirror <= 1:
        raise InputError(chosen.data, f"--mirror is {chosen.mirror}, expected 0 to 1")
    problem = sources.from_folder(chosen.data, chosen.mirror)
    work = places.cache()
    out = chosen.out or results(work) / f"{problem.name}.json"
    _show(problem, command.run(problem, Budget(chosen.minutes, chosen.rows), chosen.encoder, work, out, chosen.models))
    print(out)
    return 0


def _many(chosen: argparse.Namespace) -> int:
    found, work = plan.read(chosen.config), places.cache()
    names = [task.name for task in found.tasks]
    unknown = [name for name in chosen.tasks if name not in names]
    if unknown:
        raise InputError(chosen.config, f"no task is called {unknown[0]!r}, there are {', '.join(names)}")
    for task in found.tasks:
        if chosen.tasks and task.name not in chosen.tasks:
            continue
        problem = plan.problem(task, chosen.folders or work / "folders", chosen.data)
        budget = Budget(task.minutes, task.rows)
        out = results(work) / f"{task.name}.json"
        _show(problem, command.run(problem, budget, chosen.encoder, work, out, chosen.models))
    return 0


def _export(chosen: argparse.Namespace) -> int:
    for path in export.export(chosen.encoder, chosen.out):
        print(path)
    return 0


def _show(problem: Problem, result: dict[str, Any]) -> None:
    rows = result["rows"]
    print(f"{problem.name}: {rows['train']} + {rows['valid']} rows to learn from, {rows['test']} of test")
    for model in result["models"]:
        mark = "*" if model["name"] == result["chosen"] else " "
        scores = f"{model['accuracy']:6.2f} % of test, {model['valid_accuracy']:6.2f} % of valid"
        costs = f"{model['parameters']:>10,} parameters, {model['latency_ms']:7.2f} ms, {model['seconds']:6.0f} s"
        print(f" {mark} {model['name']:14} {scores}, {costs}", flush=True)
