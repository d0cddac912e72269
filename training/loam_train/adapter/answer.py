"""Adapters that answer about pictures, sound or motion: LoRA on the backbone, behind the foundation's projector (Path 1)."""

from __future__ import annotations

import copy
import hashlib
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..clock import computed
from ..data import DataFolder
from ..errors import InputError
from ..project import network
from ..project.inputs import Question, Questions, questions
from ..project.network import Projector
from ..project.soft import Asked, Format, Reader
from ..project.train import count_right, written
from . import foundation, language, loop
from .division import divide
from .features import Eyes, open_eyes
from .foundation import Component
from .language import Language
from .request import Request, Trained

MOST_VALID = 256
TRAINING = 0.8
"""Share of the budget for the loop."""
EVALUATIONS, PATIENCE = 10, 4
MOST_PASSES = 3
COMPONENTS = {"image": "image", "sound": "sound", "motion": "imu"}
"""The modality of rows, and of the encoder that reads them."""
_SEEDS = 1_000_003
_TOGETHER = 32


@dataclass(frozen=True)
class Sight:
    """What stands between the rows' files and the backbone."""

    eyes: Eyes
    projector: Projector

    def soft(self, vectors: torch.Tensor) -> torch.Tensor:
        """Soft tokens; neither tower nor projector learns."""
        with torch.no_grad():
            found: torch.Tensor = self.projector(vectors)
        return found


def train(request: Request, component: Component) -> Trained:
    """Trains on questions about files, and scores in fp32, as it is stored, beside the bare model.

    Raises:
        InputError: for rows without a question, and for a foundation without a tower and a projector that read them.
    """
    begun = computed()
    seen = sight(request.data, request.foundation)
    learn_rows, valid_rows = divide(request, MOST_VALID)
    test_rows = list(request.data.split("test").examples) or valid_rows
    random.Random(request.seed).shuffle(test_rows)
    learn, valid, test = (
        questions(rows, request.data, seen.eyes) for rows in (learn_rows, valid_rows, test_rows[: request.test_rows])
    )
    recipe = request.recipe
    exact = language.load(component, device=recipe.device)
    form = Format(exact, request.data.description.instructions)
    bare = _score(exact, form, seen, test)
    half = Language(exact.tokenizer, copy.deepcopy(exact.model).to(torch.bfloat16))
    every = range(len(half.blocks))
    torch.manual_seed(request.seed)
    model = recipe.adapted(half)
    parameters = language.learned(model)
    progress = loop.fit(
        _job(request, half, form, seen, learn, valid, parameters),
        loop.Schedule(
            (recipe.passes or MOST_PASSES) * max(1, len(learn.rows) // recipe.batch),
            TRAINING * 60 * request.minutes,
            EVALUATIONS,
            PATIENCE,
        ),
        request.checkpoint,
    )
    tensors = {name: value.detach().half().cpu() for name, value in parameters.items()}
    stored = language.with_lora(exact, recipe.rank, list(recipe.modules), every)
    language.fill(stored, tensors, request.data.path)
    count = sum(value.numel() for value in tensors.values())
    metrics: dict[str, float] = {
        "exact": _score(exact, form, seen, test),
        "bare_exact": bare,
        "question_only_exact": _blind(learn, test),
        "train_rows": len(learn.rows), "valid_rows": len(valid.rows), "test_rows": len(test.rows),
        "parameters": count, "parameter_share": count / (exact.parameters() - count),
        "steps": progress.step, "seconds": computed() - begun,
    }  # fmt: skip
    task: dict[str, Any] = {"task": "answer", "path": "encoder-backbone"}
    if request.data.description.instructions:
        task["instructions"] = request.data.description.instructions
    config = language.config(component, exact, recipe.rank, list(recipe.modules), every)
    return Trained(tensors, config, task, metrics, progress.losses)


def sight(data: DataFolder, base: Path) -> Sight:
    """The tower and the projector of the foundation at `base` for the rows of `data`.

    Raises:
        InputError: for a row without a question, and for a foundation without them.
    """
    first = next(iter(data.examples()))
    if first.modality not in COMPONENTS or first.text is None:
        raise InputError(data.path, f"{first.where} has no question about a file: both text and file_name are expected")
    modality = COMPONENTS[first.modality]
    tower = foundation.of_kind(base, f"{modality}-encoder")
    projector = foundation.of_kind(base, f"{modality}-projector")
    return Sight(open_eyes(tower.entry, modality), network.read(projector.entry))


def _job(
    request: Request,
    model: Language,
    form: Format,
    sight: Sight,
    learn: Questions,
    valid: Questions,
    parameters: dict[str, torch.nn.Parameter],
) -> loop.Job:
    reader = Reader(model, form.prefix)

    def loss(step: int) -> torch.Tensor:
        dice = random.Random(request.seed * _SEEDS + step)
        some = dice.sample(learn.rows, min(request.recipe.batch, len(learn.rows)))
        vectors = learn.embeddings[[row.input for row in some]]
        with request.recipe.autocast():
            return reader.loss(sight.soft(vectors), _asked(form, some, dice))

    @torch.no_grad()
    def evaluate() -> loop.Score:
        losses = []
        for some in _batches(valid.rows):
            vectors = valid.embeddings[[row.input for row in some]]
            with request.recipe.autocast():
                losses.append(float(reader.loss(sight.soft(vectors), _asked(form, some))))
        mean = sum(losses) / len(losses)
        return loop.Score(-mean, mean)

    groups = [{"params": list(parameters.values()), "lr": request.recipe.rate, "weight_decay": 0.0}]
    told = [request.seed, request.data.description.instructions, [[row.text, row.answers] for row in learn.rows]]
    digest = hashlib.sha256(json.dumps([told, *request.recipe.told()]).encode()).hexdigest()
    return loop.Job(request.name, parameters, groups, loss, evaluate, digest)


def _asked(form: Format, rows: Sequence[Question], dice: random.Random | None = None) -> list[Asked]:
    chosen = [row.answers[0] if dice is None else dice.choice(row.answers) for row in rows]
    return [form.asked(at, row.text, answer) for at, (row, answer) in enumerate(zip(rows, chosen, strict=True))]


def _batches(rows: list[Question]) -> list[list[Question]]:
    return [rows[start : start + _TOGETHER] for start in range(0, len(rows), _TOGETHER)]


def _score(model: Language, form: Format, sight: Sight, test: Questions) -> float:
    """Share of greedy answers that are right to the letter, case and a full stop aside."""
    reader = Reader(model, form.prefix)
    right = 0
    for some in _batches(test.rows):
        soft = sight.soft(test.embeddings[[row.input for row in some]])
        right += count_right(written(model, reader, soft, _asked(form, some)), [row.answers for row in some])
    return right / len(test.rows)


def _blind(learn: Questions, test: Questions) -> float:
    """Of always giving a question's most frequent answer, without a look."""
    counts: dict[str, Counter[str]] = {}
    overall: Counter[str] = Counter()
    for row in learn.rows:
        counts.setdefault(row.text, Counter())[row.answers[0]] += 1
        overall[row.answers[0]] += 1
    guesses = [counts.get(row.text, overall).most_common(1)[0][0] for row in test.rows]
    return count_right(guesses, [row.answers for row in test.rows]) / len(test.rows)
