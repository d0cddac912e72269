"""`adapter DATA --on COMPONENT`: from a data folder to a package that `loam adapter install` takes."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from .. import curve, places
from ..arguments import add_loam, at_least, minutes, positive
from ..data import open_data
from ..data.review import review
from ..errors import InputError
from . import backbone, package, recipe
from .foundation import component
from .request import Request, Trained


def _encoder(request: Request) -> Trained:
    """On a tower; what towers need is loaded for them alone."""
    from . import encoder, likeness

    return likeness.train(request) if request.data.task == "retrieve" else encoder.train(request)


def _sentence(request: Request) -> Trained:
    """On the text encoder."""
    from . import sentence, tagging

    return tagging.train(request) if request.data.task == "tag" else sentence.train(request)


SUFFIX, MOST_NAME = ".safetensors", 64
"""Of a package; the engine's own limit of an alias."""
TRAINERS: dict[str, Callable[[Request], Trained]] = {
    "backbone": backbone.train,
    "text": _sentence,
    "image": _encoder,
    "sound": _encoder,
    "imu": _encoder,
}
"""What trains adapters on a component, by the component's name in a foundation."""


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `adapter`; what it parses has `run`, which takes the parsed arguments and gives the exit status."""
    adapter = commands.add_parser("adapter", help="train an adapter from a data folder, or a .csv or .jsonl file")
    adapter.add_argument("data", type=Path, help="see docs/data-folders.md")
    adapter.add_argument("--on", required=True, choices=TRAINERS, help="the foundation's component that it changes")
    adapter.add_argument("--out", type=Path, help="the package; NAME.safetensors by default")
    adapter.add_argument("--name", help="the adapter's name; the data's by default")
    adapter.add_argument("--description", default="", help="what it does, for people")
    adapter.add_argument("--licence", help="of its weights; the data's by default")
    adapter.add_argument("--minutes", type=minutes(10_000), default=5.0, help="budget of computing (default: 5)")
    adapter.add_argument("--seed", type=at_least(0), default=7)
    adapter.add_argument("--threads", type=positive, default=1, help="of the processor (default: 1)")
    adapter.add_argument("--test-rows", type=positive, default=500, help="at most as many are scored (default: 500)")
    adapter.add_argument("--fresh", action="store_true", help="begin anew instead of continuing")
    adapter.add_argument("--foundation", type=Path, default=places.foundation(), help="directory of the foundation")
    adapter.add_argument("--install", metavar="LOAM", help="the loam command, which then installs it under its name")
    recipe.add_arguments(adapter)
    adapter.set_defaults(run=train)
    compared = commands.add_parser(
        "check-adapter",
        help="compare torch with the engine on test rows",
        epilog="example: python -m loam_train check-adapter models/adapters/digits.safetensors folders/mnist --loam loam",
    )
    compared.add_argument("adapter", type=Path, help="a package: it tells classes, writes, or answers about files")
    compared.add_argument("data", type=Path, help="a data folder with a test split")
    compared.add_argument("--foundation", type=Path, default=places.foundation(), help="directory of the foundation")
    add_loam(compared, "the loam command")
    compared.add_argument("--rows", type=positive, default=200, help="at most as many (default: 200)")
    compared.add_argument("--threads", type=positive, default=1, help="of the processor (default: 1)")
    compared.set_defaults(run=_check)


def train(chosen: argparse.Namespace) -> int:
    """Trains, writes the package and prints its scores."""
    data = open_data(chosen.data)
    reviewed = review(data)
    for remark in reviewed.remarks:
        print(f"note: {remark}")
    name = cleaned(chosen.name or data.name)
    licence = data.description.licence if chosen.licence is None else chosen.licence
    work = places.cache()
    request = Request(
        data, reviewed, chosen.on, chosen.foundation, name, chosen.description, licence, chosen.minutes, chosen.seed,
        work, chosen.fresh, chosen.test_rows, recipe.read(chosen),
    )  # fmt: skip
    if chosen.fresh:
        request.checkpoint.unlink(missing_ok=True)
    out = chosen.out or Path(f"{name}.safetensors")
    check_out(out, name)
    _check_recipe(request)
    trained = TRAINERS[chosen.on](request)
    task = describe(request, trained)
    package.write(out, trained.tensors, trained.config, task)
    curve.draw(trained.losses, name, work / "curves" / f"{name}.png")
    print(json.dumps(task["metrics"], indent=1))
    print(f"{out}: {out.stat().st_size} bytes")
    # What is finished is not gone on with: more minutes or rows are another run.
    for done in (request.checkpoint, request.checkpoint.with_suffix(".json")):
        done.unlink(missing_ok=True)
    if chosen.install is None:
        print(f"loam adapter install {out}")
    else:
        install(chosen.install, out)
    return 0


def cleaned(name: str) -> str:
    """As an adapter and its file can be called."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "adapter"


def check_out(out: Path, name: str) -> None:
    """Before minutes are spent on what cannot be kept.

    Raises:
        InputError: for a name or a file that the package cannot have.
    """
    if len(name) > MOST_NAME:
        raise InputError(out, f"the name {name[:20]!r}... has {len(name)} letters, at most {MOST_NAME}; see --name")
    if out.is_dir():
        raise InputError(out, "a directory; --out is the package's file")
    if out.suffix != SUFFIX:
        raise InputError(out, f"its name ends in {out.suffix!r}, expected {SUFFIX!r}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise InputError(out, f"nothing can be written there: {error.strerror or error}") from error


def _check_recipe(request: Request) -> None:
    """Options that a trainer would leave aside are refused, and so is an adapter of other weights to go on from.

    Raises:
        InputError: for either.
    """
    usual, asked = recipe.Recipe(), request.recipe
    if asked == usual:
        return
    task = request.data.task
    if request.component != "backbone" or task == "classify":
        given = [field.name for field in fields(usual) if getattr(asked, field.name) != getattr(usual, field.name)]
        reason = (
            f"{', '.join(given)} are for adapters on the backbone that write or answer about files; this is {task!r}"
        )
        raise InputError(request.data.path, f"{reason} on {request.component}")
    if asked.begin is not None:
        base = package.read(asked.begin)[2].get("base", {}).get(request.component)
        wanted = component(request.foundation, request.component).fingerprint
        if base != wanted:
            raise InputError(
                asked.begin, f"it was made for the {request.component} {base}, the foundation has {wanted}"
            )


def _check(chosen: argparse.Namespace) -> int:
    """1 where torch and the engine differ by more than the tolerance."""
    from . import check

    found = check.compare(chosen.adapter, open_data(chosen.data), chosen.foundation, chosen.loam, chosen.rows)
    print(
        f"{chosen.adapter.stem}: {found.rows} rows, torch {found.torch:.2f}, engine {found.engine:.2f}, "
        f"alike {found.agreement:.2f} %"
    )
    return int(found.apart)


def install(loam: str, path: Path) -> None:
    """Hands the package to the engine, which takes the place of an older one of that name.

    Raises:
        InputError: with what the engine says against it.
    """
    command = [loam, "adapter", "install", str(path), "--replace"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise InputError(Path(loam), f"{error.strerror or error}; --install says where the loam command is") from error
    if done.returncode:
        raise InputError(path, f"{loam} refused it: {done.stderr.strip()}")
    print(done.stdout.strip())


def describe(request: Request, trained: Trained) -> dict[str, object]:
    """The package's `task.json`."""
    described: dict[str, object] = {"schema": 1, "name": request.name}
    if request.description:
        described["description"] = request.description
    described |= {"component": request.component, **trained.task}
    described["metrics"] = {name: _rounded(value) for name, value in sorted(trained.metrics.items())}
    if request.licence:
        described["licence"] = request.licence
    return described


def _rounded(value: float) -> float:
    """Shares and losses to four digits, counts and seconds to a tenth."""
    return float(f"{value:.4g}") if abs(value) < 10 else round(value, 1)
