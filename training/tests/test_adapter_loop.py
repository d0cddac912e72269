"""The loop of all adapters: it stops early, keeps the best, and goes on where it was stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from loam_train.adapter import loop
from loam_train.adapter.loop import Job, Schedule, Score
from loam_train.errors import InputError


def job(digest: str = "a", scores: list[float] | None = None, fail_at: int | None = None) -> tuple[Job, nn.Parameter]:
    """Fits one number to 3; `scores` are told in place of how near it is."""
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(1))
    told = iter(scores or [])

    def loss(step: int) -> torch.Tensor:
        if step == fail_at:
            raise KeyboardInterrupt
        noise = torch.randn(1, generator=torch.Generator().manual_seed(step))
        return ((weight - 3 + 0.1 * noise) ** 2).sum()

    def evaluate() -> Score:
        distance = float((weight.detach() - 3).abs())
        return Score(next(told) if scores else -distance, distance)

    return Job(
        "number", {"w": weight}, [{"params": [weight], "lr": 0.1, "weight_decay": 0.0}], loss, evaluate, digest
    ), weight


def schedule(patience: int = 100) -> Schedule:
    return Schedule(steps=60, seconds=600, evaluations=10, patience=patience)


def test_it_learns(tmp_path: Path) -> None:
    made, weight = job()
    progress = loop.fit(made, schedule(), tmp_path / "a.pt")
    assert progress.step == 60
    assert len(progress.scores) == 10
    assert abs(float(weight.detach()) - 3) < 0.3


def test_it_stops_when_nothing_is_gained_and_keeps_the_best(tmp_path: Path) -> None:
    made, weight = job(scores=[0.5, 0.9, 0.8, 0.7, 0.6, 0.99])
    progress = loop.fit(made, schedule(patience=3), tmp_path / "a.pt")
    assert progress.stopped
    assert [value for _, value, _ in progress.scores] == [0.5, 0.9, 0.8, 0.7, 0.6]
    assert progress.step == progress.scores[-1][0]
    assert abs(abs(float(weight.detach()) - 3) - progress.scores[1][2]) < 1e-6


def test_a_resumed_run_ends_as_one_that_was_never_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    # Steps alone decide the learning rate, so that both runs have the same.
    whole, straight = job()
    loop.fit(whole, schedule(), tmp_path / "whole.pt")
    halted, _ = job(fail_at=25)
    with pytest.raises(KeyboardInterrupt):
        loop.fit(halted, schedule(), tmp_path / "halted.pt")
    again, resumed = job()
    progress = loop.fit(again, schedule(), tmp_path / "halted.pt")
    assert progress.step == 60
    assert torch.equal(resumed, straight)


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    loop.fit(job()[0], schedule(), tmp_path / "a.pt")
    with pytest.raises(InputError, match="other data or settings"):
        loop.fit(job(digest="b")[0], schedule(), tmp_path / "a.pt")
    (tmp_path / "a.pt").write_bytes(b"no checkpoint")
    with pytest.raises(InputError, match="no checkpoint can be read"):
        loop.fit(job()[0], schedule(), tmp_path / "a.pt")
