"""`check-adapter`: the same test rows through torch and through the engine.

Torch runs what lies in the package on what this package makes of a row; the engine reads the file itself. A difference
anywhere on the way shows: decoding, resampling, quantized arithmetic, the adapter's tensors and their names.
"""

from __future__ import annotations

import json
import math
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ..data import DataFolder, Example
from ..errors import InputError
from . import foundation, language, package, sentence, written
from .adapted import Adapted, logits
from .classify import Trainee
from .features import inputs, open_eyes
from .generate import NEW_TOKENS
from .heads import Head
from .labelled import HEAD
from .package import Stored
from .plan import Plan
from .scores import texts

TOLERANCE = 1.0
"""Points that torch and the engine may differ by: the engine rounds the activations of quantized linears to eight bits, so
one row in a hundred may fall on the other side."""
MOST_BY_CHANCE = 2.0
"""Points beyond which chance excuses nothing: writers that disagree more often would otherwise widen what they may
differ by."""
TASKS = ("classify", "generate", "answer")


@dataclass(frozen=True)
class Comparison:
    """Accuracy in per cent of `rows`; of texts that were written, likeness to what was asked for (100 chrF)."""

    rows: int
    torch: float
    engine: float
    agreement: float
    """Per cent of rows for which both give the same class or text, right or wrong."""
    chance: float = 0.0
    """Of texts: what two equal writers would differ by in one case of twenty, in points. A word that is nearly a tie changes
    all that follow it, and so a row's score by tens of points, up or down."""

    @property
    def apart(self) -> bool:
        """Whether they differ by more than the tolerance, and than chance explains."""
        return abs(self.torch - self.engine) > max(TOLERANCE, min(self.chance, MOST_BY_CHANCE)) + 1e-9


def compare(path: Path, data: DataFolder, base: Path, loam: str, limit: int) -> Comparison:
    """At most `limit` rows of the test split, spread evenly as the engine spreads them.

    Raises:
        InputError: for a package of a task that is not compared, and with what the engine says.
    """
    stored = Stored(*package.read(path), base)
    task = stored.task.get("task")
    if task not in TASKS or (task == "classify" and not stored.task.get("labels")):
        raise InputError(path, f"its task is {task!r}; compared are {', '.join(TASKS)}")
    answers = _engine(path, data.path, base, loam, limit)
    # Of a spreadsheet this package names the line as well.
    known = {example.where.partition(" (")[0]: example for example in data.split("test").examples}
    missing = next((row for row, _ in answers if row not in known), None)
    if missing is not None:
        raise InputError(data.path, f"the engine names a row {missing!r} that is not among those of test")
    rows = [known[row] for row, _ in answers]
    engined = [found for _, found in answers]
    if task == "classify":
        torched = _classes(stored, rows, data)
        truth = [str(example.label) for example in rows]
        return Comparison(len(rows), _share(torched, truth), _share(engined, truth), _share(torched, engined))
    torched = written.texts(stored, rows, data)
    references = [row.outputs for row in rows]
    ours, theirs = (100 * texts(found, references)["chrf"] for found in (torched, engined))
    agreement = _share([one.strip() for one in torched], [one.strip() for one in engined])
    return Comparison(len(rows), ours, theirs, agreement, _chance(torched, engined, references))


def _chance(torched: Sequence[str], engined: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Twice the standard error of the mean difference between two scores of one row."""
    scored = zip(torched, engined, references, strict=True)
    of = [[100 * texts([found], [wanted])["chrf"] for found in pair] for *pair, wanted in scored]
    differences = torch.tensor([ours - theirs for ours, theirs in of], dtype=torch.float64)
    return 2 * float(differences.std()) / math.sqrt(len(of))


def _share(found: Sequence[str], wanted: Sequence[str]) -> float:
    return 100 * sum(one == other for one, other in zip(found, wanted, strict=True)) / len(wanted)


def _engine(path: Path, data: Path, base: Path, loam: str, limit: int) -> list[tuple[str, str]]:
    """Rows by their places, and the classes that the engine gives them."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "predictions.jsonl"
        command = [loam, "eval", str(path), "--data", str(data), "--model", str(base), "--only", "with"]
        command += ["--limit", str(limit), "--max-tokens", str(NEW_TOKENS), "--predictions", str(out), "--json"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise InputError(Path(loam), f"{error.strerror or error}; --loam says where the loam command is") from error
        if done.returncode:
            raise InputError(path, f"{loam} refused it: {done.stderr.strip()}")
        lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    return [(line["row"], line["predicted"]) for line in lines]


def _classes(stored: Stored, rows: Sequence[Example], data: DataFolder) -> list[str]:
    labels: list[str] = stored.task["labels"]
    if stored.task["component"] == "backbone":
        found = _backbone(stored, rows)
    else:
        found = _encoder(stored, rows) if rows[0].modality == "text" else _tower(stored, rows, data)
    return [labels[index] for index in found.argmax(1).tolist()]


def _tower(stored: Stored, rows: Sequence[Example], data: DataFolder) -> torch.Tensor:
    name = stored.task["component"]
    eyes = open_eyes(foundation.component(stored.base, name).entry, name)
    adapted = Adapted(eyes.tower.tower, len(stored.task["labels"]), eyes.tower.transform.mean.shape[0])
    adapted.load(stored.tensors)
    return logits(adapted, eyes.modality, inputs(rows, data, eyes))


def _backbone(stored: Stored, rows: Sequence[Example]) -> torch.Tensor:
    model = language.load(foundation.component(stored.base, "backbone"))
    last: int = stored.task["head"]["layers"]
    blocks = stored.config.get("layers_to_transform") or list(range(last))
    trainee = Trainee(model, _head(stored), Plan(last, min(blocks), 0, {}), 0)
    trainee.load(stored.tensors)
    return trainee.logits(model.encode(_around(stored, rows), 1 << 30), "torch")


def _encoder(stored: Stored, rows: Sequence[Example]) -> torch.Tensor:
    encoder = sentence.open_encoder(foundation.component(stored.base, stored.task["component"]))
    trainee = sentence.Trainee(encoder, _head(stored), 0)
    trainee.load(stored.tensors)
    return trainee.logits(encoder.encode(_around(stored, rows)), "torch")


def _head(stored: Stored) -> Head:
    return Head(stored.tensors[HEAD + "weight"].float(), stored.tensors[HEAD + "bias"].float())


def _around(stored: Stored, rows: Sequence[Example]) -> list[str]:
    template: str = stored.task.get("template", "{}")
    return [template.replace("{}", example.prompt) for example in rows]
