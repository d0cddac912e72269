"""The table from what the engine wrote, answers kept by digest, and heads from 16 examples a class."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from loam_train import places
from loam_train.adapter import package
from loam_train.data import open_data
from loam_train.errors import InputError
from loam_train.results import chart, command, few, page, tasks
from loam_train.results.command import Places
from loam_train.results.evaluation import Evaluator
from loam_train.results.row import Row, Score, of_baseline, of_engine, torch_score
from loam_train.results.tasks import Task, parity

ANSWER: dict[str, Any] = {
    "schema": 1,
    "task": "classify",
    "data": {
        "name": "birds",
        "split": "test",
        "input": "text",
        "examples": 200,
        "of": 200,
        "labels": ["robin", "wren"],
    },
    "model": {"id": "loam-nano", "version": "0.2.0"},
    "adapter": {
        "name": "birds",
        "bytes": 81920,
        "parameter_share": 0.007,
        "metrics": {"accuracy": 0.905, "test_rows": 200},
    },
    "with": {
        "scored_by": "adapter_head",
        "examples": 200,
        "metrics": {"accuracy": 0.91, "accuracy_error": 0.02, "macro_f1": 0.9},
        "latency_ms": {"median": 2.1, "p95": 2.6, "mean": 2.2},
    },
    "without": {"scored_by": "labels", "metrics": {"accuracy": 0.7, "macro_f1": 0.6}, "latency_ms": {"median": 1.0}},
}
BASELINE: dict[str, Any] = {
    "schema": 1,
    "chosen": "minilm",
    "models": [
        {"name": "tfidf-linear", "accuracy": 93.0, "macro_f1": 92.0, "bytes": 10, "latency_ms": 0.5, "confusion": {}},
        {
            "name": "minilm",
            "accuracy": 91.5,
            "macro_f1": 91.0,
            "bytes": 45_000_000,
            "latency_ms": 9.0,
            "confusion": {"robin": {"robin": 9, "oos": 1}, "wren": {"wren": 10}, "oos": {"robin": 5}},
        },
    ],
}
TASK = Task("birds", "Birds", "birds", "text", adapter="birds.safetensors", baseline="birds", goal=90.0, few="text")


def write_folder(folder: Path) -> Path:
    """Two classes of text, 20 rows each to learn from."""
    folder.mkdir(parents=True)
    for split, count in (("train", 40), ("test", 4)):
        rows = [
            {"text": f"{'red' if i % 2 else 'small'} bird {i}", "label": ["wren", "robin"][i % 2]} for i in range(count)
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "data.json").write_text(json.dumps({"labels": ["robin", "wren"], "licence": "CC0"}))
    return folder


def write_loam(path: Path, answer: object = ANSWER, status: int = 0) -> Path:
    """A command in the place of the engine, which counts its calls."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "answer.json").write_text(json.dumps(answer))
    lines = ["#!/bin/sh", f'echo "$@" >> {path.parent}/calls', f"cat {path.parent}/answer.json", f"exit {status}"]
    path.write_text("\n".join(lines) + "\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def evaluator(tmp_path: Path) -> Evaluator:
    foundation = tmp_path / "foundation"
    foundation.mkdir()
    (foundation / "foundation.json").write_text("{}")
    return Evaluator(write_loam(tmp_path / "bin" / "loam"), foundation, tmp_path / "kept")


def calls(evaluator: Evaluator) -> list[str]:
    path = evaluator.loam.parent / "calls"
    return path.read_text().splitlines() if path.exists() else []


def test_scores_of_the_engine() -> None:
    found = of_engine(ANSWER, "with", "accuracy", Path("birds"))
    assert found == Score(91.0, 2.0, 2.1, 81920, "adapter_head")
    bare = of_engine(ANSWER, "without", "macro_f1", Path("birds"))
    assert (bare.value, bare.bytes) == (60.0, 0)
    assert torch_score(ANSWER, "accuracy") == 90.5
    assert torch_score({**ANSWER, "data": {"examples": 199}}, "accuracy") is None
    with pytest.raises(InputError, match="birds: with: wer is missing in what the engine wrote, there are accuracy"):
        of_engine(ANSWER, "with", "wer", Path("birds"))


def test_scores_of_baselines() -> None:
    assert of_baseline(BASELINE, "accuracy", Path("birds")) == Score(91.5, latency=9.0, bytes=45_000_000, what="minilm")
    assert of_baseline(BASELINE, "in_scope_accuracy", Path("birds")).value == 95.0
    assert of_baseline(BASELINE, "macro_f1", Path("birds")).value == 91.0
    with pytest.raises(InputError, match="a baseline has no wer"):
        of_baseline(BASELINE, "wer", Path("birds"))


@pytest.mark.parametrize(
    ("metric", "adapter", "baseline", "held"),
    [
        ("accuracy", 90.5, 91.5, True),
        ("accuracy", 90.49, 91.5, False),
        ("wer", 10.2, 10.0, True),
        ("wer", 10.3, 10.0, False),
        ("chrf", 49.0, 50.0, True),
        ("chrf", 48.9, 50.0, False),
    ],
)
def test_tolerance(metric: str, adapter: float, baseline: float, held: bool) -> None:
    assert parity(replace(TASK, metric=metric), adapter, baseline) is held


def test_answers_are_kept(tmp_path: Path, evaluator: Evaluator) -> None:
    data = write_folder(tmp_path / "birds")
    adapter = tmp_path / "birds.safetensors"
    adapter.write_bytes(b"one")
    for _ in range(2):
        assert evaluator.score("birds", adapter, data, "with", 0) == ANSWER
    assert len(calls(evaluator)) == 1
    assert f"eval {adapter} --data {data}" in calls(evaluator)[0]
    assert "--only with" in calls(evaluator)[0] and "--limit" not in calls(evaluator)[0]
    adapter.write_bytes(b"two")
    evaluator.score("birds", adapter, data, "with", 0)
    (data / "train.jsonl").write_text("")
    evaluator.score("birds", adapter, data, "with", 0)
    assert len(calls(evaluator)) == 2
    (data / "test.jsonl").write_text("")
    evaluator.score("birds", adapter, data, "with", 0)
    evaluator.score("birds", adapter, data, "with", 7)
    (evaluator.foundation / "foundation.json").write_text('{"other": 1}')
    evaluator.score("birds", None, data, "without", 7)
    assert len(calls(evaluator)) == 5
    assert "eval none" in calls(evaluator)[-1] and "--limit 7" in calls(evaluator)[-1]


@pytest.mark.parametrize(("answer", "status"), [(ANSWER, 7), ([], 0), ({"schema": 2}, 0)])
def test_a_command_that_fails(tmp_path: Path, evaluator: Evaluator, answer: object, status: int) -> None:
    write_loam(evaluator.loam, answer, status)
    with pytest.raises(InputError, match="birds: .*loam eval none"):
        evaluator.score("birds", None, write_folder(tmp_path / "birds"), "without", 0)
    assert not list(evaluator.cache.glob("*"))


def test_no_command(tmp_path: Path, evaluator: Evaluator) -> None:
    evaluator.loam.chmod(0o600)
    with pytest.raises(InputError, match="--loam says where the loam command is"):
        evaluator.score("birds", None, write_folder(tmp_path / "birds"), "without", 0)


def test_page_and_picture(tmp_path: Path, evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path / "birds")
    (tmp_path / "birds.safetensors").write_bytes(b"one")
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines" / "birds.json").write_text(json.dumps(BASELINE))
    monkeypatch.setattr(places, "ROOT", tmp_path)
    monkeypatch.setattr(few, "ready", lambda path, *rest: tmp_path / "birds.safetensors")
    others = Task("more", "More birds", "birds", "text", baseline="none", reason="Too few birds; more were tried.")
    found = tasks.Tasks([TASK, others], ["A note."])
    at = Places(tmp_path, tmp_path / "baselines", tmp_path / "work")
    rows = command.run(found, [], at, evaluator, tmp_path, "loam_train results")
    row = rows[0]
    assert (row.parity, row.reached, row.chance, row.examples) == (True, True, 50.0, 200)
    assert (rows[1].parity, rows[1].adapter) == (None, None)
    text = (tmp_path / "RESULTS.md").read_text()
    assert "**Parity on 1 of 1 tasks** (100 %); goals reached: 1 of 1." in text
    expected = ["Birds", "200", "50.0", "91.5 minilm", "70.0", "91.0", "**91.0** (2.0)", "yes", "90 yes", "90.5", "82"]
    assert f"| {' | '.join(expected)} | 0.70 % | 2.1 | 45,000 | 9.0 |" in text
    assert "- **More birds**: Too few birds; more were tried." in text and "- A note." in text
    assert (tmp_path / "results.svg").read_text().startswith("<?xml")
    assert len(command.run(found, ["more"], at, evaluator, tmp_path, "loam_train results")) == 1


def test_no_data(tmp_path: Path, evaluator: Evaluator) -> None:
    at = Places(tmp_path, tmp_path, tmp_path)
    with pytest.raises(InputError, match="no data of task birds; `python -m loam_train folders"):
        command.measure(TASK, at, evaluator)


def test_error_rates(tmp_path: Path) -> None:
    heard = Task("yesno", "Yes and no", "yesno", "speech", metric="wer", goal=5.0)
    row = Row(heard, 20, 0, baseline=Score(2.0), adapter=Score(2.1))
    assert (row.parity, row.reached, row.chance) == (False, True, None)
    page.write(tmp_path / "page.md", [row], "command", "machine", "date", [])
    assert "| Yes and no (wer) | 20 | - | 2.0 " in (tmp_path / "page.md").read_text()
    chart.draw([row], tmp_path / "chart.svg")


@pytest.mark.parametrize("count", [2, 3])
def test_heads_are_the_regression(count: int) -> None:
    chance = np.random.default_rng(count)
    classes = np.repeat(np.arange(count), 16)
    features = (chance.normal(0, 1, (len(classes), 6)) * [1, 5, 1, 1, 9, 1] + classes[:, None] * 1.5).astype(np.float32)
    weight, bias = few.head(features, classes, count)
    assert weight.shape == (count, 6) and bias.shape == (count,)
    predicted = (features @ weight.T + bias).argmax(1)
    whole = LogisticRegression(C=100.0, max_iter=5000).fit(features, classes)
    assert (predicted == classes).mean() >= whole.score(features, classes) - 0.15


def test_sixteen_of_each_class(tmp_path: Path) -> None:
    data = open_data(write_folder(tmp_path / "birds"))
    found = few.drawn(data)
    assert [row.label for row in found] == ["robin"] * 16 + ["wren"] * 16
    assert found == few.drawn(data)


def test_the_package_of_a_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, foundation = write_folder(tmp_path / "birds"), tmp_path / "foundation"
    foundation.mkdir()
    files = [{"path": "text/model.safetensors", "sha256": "ab" * 32}]
    text = {"name": "text", "kind": "text-encoder", "format": "hugging-face", "entry": "text", "files": files}
    (foundation / "foundation.json").write_text(json.dumps({"components": [text]}))
    told: list[int] = []

    def sentences(where: Path, texts: list[str]) -> np.ndarray:
        assert where == foundation / "text"
        told.append(len(texts))
        return np.array([[float("red" in one), 1.0, len(one)] for one in texts], np.float32)

    monkeypatch.setattr(few, "sentences", sentences)
    path = tmp_path / "work" / "birds.safetensors"
    for _ in range(2):
        few.ready(path, folder, foundation, "text")
    assert told == [32]
    tensors, config, task = package.read(path)
    weight = tensors["base_model.model.classifier.weight"]
    assert weight.shape == (2, 3) and weight.dtype == torch.float32
    assert config["modules_to_save"] == ["classifier"] and config["target_modules"] == []
    assert task["labels"] == ["robin", "wren"] and task["head"] == {"kind": "linear", "reads": "embedding"}
    assert task["base"] == {"text": "ab" * 32} and task["component"] == "text"
    (foundation / "foundation.json").write_text(json.dumps({"components": [text], "version": "2"}))
    few.ready(path, folder, foundation, "text")
    assert told == [32, 32]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('metric = "luck"', "a: metric is 'luck'"),
        ("goal = 101.0", "a: goal is 101.0"),
        ("limit = -1", "a: limit is -1"),
        ("speed = 1", r"tasks\[0\].speed is unknown"),
    ],
)
def test_lists_are_checked(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "list.toml"
    path.write_text(f'[[tasks]]\nname = "a"\ntitle = "A"\nfolder = "f"\ncomponent = "text"\n{line}\n')
    with pytest.raises(InputError, match=reason):
        tasks.read(path)


def test_the_list_can_be_read() -> None:
    found = tasks.read(places.ROOT / "training" / "configs" / "results.toml")
    assert len(found.tasks) >= 20
