"""Training a projector on captions and questions, with tower and backbone frozen."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ..adapter import loop
from ..adapter.features import Eyes, Inputs
from ..adapter.language import Language
from ..data import DataFolder
from .inputs import Question, captions, questions
from .network import Projector, read, write
from .run import Run
from .soft import Asked, Format, Reader

VALID_ROWS = 256
"""Of each source; the loss of more is the same to a hundredth."""
SCORED = 200
"""Test rows of each source that are answered in full."""
NEW_TOKENS = 16
EVALUATIONS, PATIENCE = 10, 4
_SEEDS = 1_000_003
_BATCH = 32


@dataclass(frozen=True)
class Pool:
    """Questions about the inputs of one set."""

    name: str
    embeddings: torch.Tensor
    rows: list[Question]


@dataclass(frozen=True)
class Material:
    """All that a run is trained and scored on."""

    captioned: list[Pool]
    asked: list[Pool]
    valid: list[Pool]
    test: list[Pool]


def gather(run: Run, eyes: Eyes, root: Path, folder: DataFolder | None) -> Material:
    """Sets of the tower's run with captions, and the folder's questions. A part of training validates."""
    captioned, valid, test = [], [], []
    for source in eyes.run.sets:
        data = eyes.modality.load(source, root)
        whole = captions(data, data.train, run.captions.questions[0], run.captions.answer)
        learned, held = _divided(whole, run.seed)
        vectors = eyes.embed(Inputs(data.train.inputs, data.train.extent))
        captioned.append(Pool(data.name, vectors, learned))
        valid.append(Pool(data.name, vectors, held))
        rows = captions(data, data.test, run.captions.questions[0], run.captions.answer)
        test.append(Pool(data.name, eyes.embed(Inputs(data.test.inputs, data.test.extent)), rows))
    asked = []
    if folder is not None:
        train, scored = (questions(folder.split(part).examples, folder, eyes) for part in ("train", "test"))
        learned, held = _divided(train.rows, run.seed)
        asked.append(Pool(folder.name, train.embeddings, learned))
        valid.append(Pool(f"{folder.name}, asked", train.embeddings, held))
        test.append(Pool(f"{folder.name}, asked", scored.embeddings, scored.rows))
    return Material(captioned, asked, valid, test)


def _divided(rows: list[Question], seed: int) -> tuple[list[Question], list[Question]]:
    """By inputs: questions about one input stay together."""
    inputs = sorted({row.input for row in rows})
    count = min(VALID_ROWS, max(1, len(inputs) // 10))
    held = set(random.Random(seed).sample(inputs, count))
    return [row for row in rows if row.input not in held], [row for row in rows if row.input in held]


def train(run: Run, model: Language, material: Material, checkpoint: Path, out: Path) -> dict[str, Any]:
    """Trains or continues, writes the directory `out`, scores what was written, and gives the record beside it.

    Raises:
        InputError: for a checkpoint of another run.
    """
    torch.manual_seed(run.seed)
    width = material.captioned[0].embeddings.shape[1]
    projector = Projector(width, run.inner, model.width, run.tokens)
    projector.start_near(model.model.model.embed_tokens.weight)
    formats = [Format(model, instructions) for instructions in run.instructions]
    readers = [Reader(model, form.prefix) for form in formats]
    for reader in readers:
        reader.keep_prefix()
    progress = loop.fit(
        _job(run, projector, formats, readers, material),
        loop.Schedule(run.steps, 60 * run.minutes, EVALUATIONS, PATIENCE),
        checkpoint,
    )
    record: dict[str, Any] = {
        "steps": progress.step,
        "seconds": round(progress.seconds, 1),
        "threads": torch.get_num_threads(),
        "seed": run.seed,
        "parameters": sum(p.numel() for p in projector.parameters()),
        "losses": [round(loss, 4) for loss in progress.losses[:: max(1, len(progress.losses) // 100)]],
    }
    write(out, projector, record)
    stored = read(out)
    record["exact"] = {pool.name: _exact(stored, model, formats[0], readers[0], pool) for pool in material.test}
    write(out, stored, record)
    return record


def _job(run: Run, projector: Projector, formats: list[Format], readers: list[Reader], material: Material) -> loop.Job:
    weights = [run.weights.get(pool.name, 1.0) for pool in material.captioned]

    def batch(dice: random.Random) -> tuple[int, torch.Tensor, list[Asked]]:
        """Rows of one system message, whose prefix they share."""
        which = dice.randrange(len(formats))
        vectors, rows = [], []
        for at in range(run.batch):
            captioned = not material.asked or dice.random() < run.captions.share
            pool = dice.choices(material.captioned, weights)[0] if captioned else dice.choice(material.asked)
            row = dice.choice(pool.rows)
            text = dice.choice(run.captions.questions) if captioned else row.text
            vectors.append(pool.embeddings[row.input])
            rows.append(formats[which].asked(at, text, dice.choice(row.answers)))
        return which, torch.stack(vectors), rows

    def loss(step: int) -> torch.Tensor:
        which, vectors, rows = batch(random.Random(run.seed * _SEEDS + step))
        with torch.autocast("cpu", torch.bfloat16):
            soft = projector(vectors)
        return readers[which].loss(soft, rows)

    @torch.no_grad()
    def evaluate() -> loop.Score:
        losses = []
        for pool in material.valid:
            dice = random.Random(run.seed)
            chosen = dice.sample(pool.rows, min(len(pool.rows), VALID_ROWS))
            for start in range(0, len(chosen), _BATCH):
                some = chosen[start : start + _BATCH]
                rows = [formats[0].asked(at, row.text, row.answers[0]) for at, row in enumerate(some)]
                soft = projector(pool.embeddings[[row.input for row in some]])
                losses.append(float(readers[0].loss(soft, rows)))
        mean = sum(losses) / len(losses)
        return loop.Score(-mean, mean)

    parameters = dict(projector.named_parameters())
    groups = [{"params": list(parameters.values()), "lr": run.learning_rate, "weight_decay": 0.01}]
    return loop.Job(run.name, parameters, groups, loss, evaluate, run.digest())


def _exact(projector: Projector, model: Language, form: Format, reader: Reader, pool: Pool) -> dict[str, float]:
    """Share of answers that are right to the letter, case and the full stop aside."""
    step = max(1, len(pool.rows) // SCORED)
    chosen = pool.rows[::step][:SCORED]
    right = 0
    for start in tqdm(range(0, len(chosen), _BATCH), desc=pool.name, mininterval=2):
        some = chosen[start : start + _BATCH]
        soft = projector(pool.embeddings[[row.input for row in some]]).detach()
        asked = [form.asked(at, row.text, row.answers[0]) for at, row in enumerate(some)]
        right += count_right(written(model, reader, soft, asked), [row.answers for row in some])
    return {"rows": len(chosen), "exact": round(right / len(chosen), 4)}


def written(model: Language, reader: Reader, soft: torch.Tensor, asked: Sequence[Asked]) -> list[str]:
    """Greedy answers as text."""
    return [model.tokenizer.decode(ids) for ids in reader.greedy(soft, asked, NEW_TOKENS)]


def count_right(found: Sequence[str], answers: Sequence[Sequence[str]]) -> int:
    """How many equal one of their answers."""

    def plain(text: str) -> str:
        return " ".join(text.lower().split()).rstrip(".")

    return sum(plain(text) in {plain(one) for one in right} for text, right in zip(found, answers, strict=True))
