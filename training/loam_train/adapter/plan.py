"""Which blocks a classifier trains, and on how many rows: found by a short search, and kept for a run that is resumed."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from ..clock import computed
from . import heads, states
from .language import Language

DEPTHS = (0.5, 0.6, 0.67, 0.8, 0.9, 1.0)
"""Where exits are tried, in shares of the blocks: before the middle there is less to read, as measured on 30 blocks."""
USUAL = 2 / 3
"""Where the best exit was for most sets that were tried."""
TRAINED = 6 / 30
"""Share of the blocks that get an adapter, the last ones before the exit: more cost time and bytes for little."""
SEARCH, CACHE = 0.06, 0.2
"""Shares of the budget for the search and for the states that all passes read."""
LEAST_ROWS = 200
MOST_TOKENS = 1 << 20
"""Of cached states: 1.2 GB at a width of 576."""


@dataclass(frozen=True)
class Plan:
    """Decisions that depend on the machine's speed."""

    exit: int
    """Block after which the head reads."""
    cut: int
    """Blocks before the first that is trained."""
    rows: int
    """Training rows, the first of the shuffled ones."""
    scores: dict[str, float]
    """Validation accuracy of logistic regression by exit."""


def stored(path: Path, digest: str) -> Plan | None:
    """The plan of the run that is to be resumed."""
    if not path.exists():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    return Plan(**content["plan"]) if content["run"] == digest else None


def store(path: Path, digest: str, plan: Plan) -> None:
    """Keeps the plan beside the checkpoint."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"run": digest, "plan": asdict(plan)}) + "\n", encoding="utf-8")


def make(
    language: Language,
    train: tuple[list[list[int]], torch.Tensor],
    valid: tuple[list[list[int]], torch.Tensor],
    classes: int,
    seconds: float,
) -> Plan:
    """Tries exits on as many rows as a share of `seconds` allows; of those as good as the best the usual one is taken."""
    blocks = len(language.blocks)
    exits = sorted({max(1, round(blocks * depth)) for depth in DEPTHS})
    speed = _speed(language, train[0])
    sample = _fitting(train[0], SEARCH * seconds * speed * 2 / 3)
    held = _fitting(valid[0], SEARCH * seconds * speed / 3)
    features = states.pooled(language, train[0][:sample], exits, "exits")
    check = states.pooled(language, valid[0][:held], exits, "exits, validation")
    scores = [
        heads.accuracy(
            heads.fit(features[:, i], train[1][:sample], classes, heads.PENALTIES[1])(check[:, i]), valid[1][:held]
        )
        for i in range(len(exits))
    ]
    # Half a standard error: the order of exits nearer to each other than that is chance.
    noise = 0.5 * math.sqrt(max(scores) * (1 - max(scores)) / held)
    good = [exit for exit, score in zip(exits, scores, strict=True) if score >= max(scores) - noise]
    end = min(good, key=lambda exit: (abs(exit - USUAL * blocks), exit))
    cut = end - min(end, max(1, round(TRAINED * blocks)))
    passes = CACHE * seconds * speed * blocks / max(1, cut)
    rows = _fitting(train[0], min(MOST_TOKENS, passes))
    return Plan(end, cut, rows, {str(exit): round(score, 4) for exit, score in zip(exits, scores, strict=True)})


def _speed(language: Language, ids: list[list[int]]) -> float:
    """Tokens a second through all blocks; the second pass counts, the first one warms up."""
    some = ids[:32]
    for _ in range(2):
        begun = computed()
        states.pooled(language, some, [len(language.blocks)], "speed")
        taken = computed() - begun
    return sum(map(len, some)) / max(1e-6, taken)


def _fitting(ids: list[list[int]], tokens: float) -> int:
    """How many of the first texts have `tokens` tokens together; some rows in any case."""
    count, total = 0, 0
    for row in ids:
        total += len(row)
        if total > tokens and count >= LEAST_ROWS:
            break
        count += 1
    return count
