"""Baselines learn from small folders, go on where they stopped, and name what they cannot read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_language
import torch
from PIL import Image
from sklearn.metrics import f1_score

from loam_train import places
from loam_train.baseline import command, export, plan, sources
from loam_train.baseline.candidate import confusion, macro_f1
from loam_train.baseline.command import Budget
from loam_train.baseline.problem import Part, held_out
from loam_train.baseline.sentence import Sentences
from loam_train.errors import InputError

WORDS = {"weather": ["rain", "snow", "wind", "sun"], "sports": ["goal", "match", "team", "score"]}
BUDGET = Budget(minutes=0.1)


def write_texts(folder: Path, rows: int = 60) -> Path:
    """Two classes that have no word in common."""
    chance = np.random.default_rng(3)
    folder.mkdir()
    for split, count in (("train", rows), ("test", 20)):
        lines = []
        for row in range(count):
            label = list(WORDS)[row % 2]
            said = " ".join(chance.choice(WORDS[label], 3))
            lines.append(json.dumps({"text": f"the {said} today {split}", "label": label}))
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def write_motion(folder: Path) -> Path:
    """Standing still and shaking, 3 s at 20 Hz."""
    chance = np.random.default_rng(5)
    folder.mkdir()
    for split, count in (("train", 48), ("test", 16)):
        y = np.arange(count) % 2
        x = chance.normal(0, 0.05, (count, 60, 6))
        x[:, :, 2] += 9.81
        x[:, :, 0] += y[:, None] * 4 * np.sin(np.arange(60) + chance.random((count, 1)))
        np.savez(folder / f"{split}.npz", x=x.astype(np.float32), y=y)
    described = {"labels": ["still", "shaking"], "motion": {"rate": 20.0}}
    (folder / "data.json").write_text(json.dumps(described))
    return folder


def write_pictures(folder: Path, questions: bool = False) -> Path:
    """Red or blue; asked about, the answer is the colour, or yes to the question that names it."""
    chance = np.random.default_rng(7)
    for split, count in (("train", 48), ("test", 16)):
        (folder / split).mkdir(parents=True)
        rows = []
        for row in range(count):
            pixels = chance.integers(0, 60, (12, 12, 3)).astype(np.uint8)
            pixels[:, :, 0 if row % 2 else 2] += 180
            Image.fromarray(pixels).save(folder / split / f"{row}.png")
            colour = "red" if row % 2 else "blue"
            kind = {"text": "what colour is it?", "output": colour} if questions else {"label": colour}
            rows.append(json.dumps({"file_name": f"{row}.png", **kind}))
        (folder / split / "metadata.jsonl").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """A text encoder with random weights."""
    tiny_language.write_encoder(tmp_path, ["the", "today", *WORDS["weather"], *WORDS["sports"]])
    return tmp_path / "text"


def measured(folder: Path, encoder: Path, **changes: Any) -> dict[str, Any]:
    work = folder.parent / "work"
    return command.run(sources.from_folder(folder), BUDGET, encoder, work, work / "out.json", **changes)


def scores(result: dict[str, Any]) -> dict[str, float]:
    return {model["name"]: model["accuracy"] for model in result["models"]}


def test_texts(tmp_path: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Random weights have more to learn than trained ones.
    monkeypatch.setattr(Sentences, "rates", (1e-3,))
    result = measured(write_texts(tmp_path / "texts"), encoder)
    assert scores(result)["tfidf-linear"] > 90
    assert scores(result)["minilm"] > 75
    assert result["chosen"] in scores(result)
    assert result["majority"] == 50
    for model in result["models"]:
        assert model["parameters"] > 0 and model["bytes"] >= 2 * model["parameters"] and model["latency_ms"] > 0
        assert sum(sum(row.values()) for row in model["confusion"].values()) == 20


def test_motion(tmp_path: Path, encoder: Path) -> None:
    result = measured(write_motion(tmp_path / "motion"), encoder)
    assert result["kind"] == "imu"
    assert set(scores(result)) == {"forest", "cnn", "gru"}
    # Recurrent units need longer than a test may take.
    assert min(scores(result)["forest"], scores(result)["cnn"]) > 75


@pytest.mark.parametrize("questions", [False, True])
def test_pictures(tmp_path: Path, encoder: Path, questions: bool) -> None:
    result = measured(write_pictures(tmp_path / "pictures", questions), encoder)
    assert result["kind"] == ("question" if questions else "image")
    assert all(score > 75 for score in scores(result).values())


def test_goes_on_where_it_stopped(tmp_path: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_motion(tmp_path / "motion")
    first = measured(folder, encoder, only=["forest"])
    assert set(scores(first)) == {"forest"} and not first["complete"]
    whole = measured(folder, encoder)
    assert whole["complete"] and whole["models"][0] == first["models"][0]

    def never(*given: object) -> dict[str, Any]:
        raise AssertionError("measured twice")

    monkeypatch.setattr(command, "_measure", never)
    assert measured(folder, encoder)["models"] == whole["models"]
    with pytest.raises(AssertionError, match="measured twice"):
        measured(write_motion_of_another_kind(folder), encoder)


def write_motion_of_another_kind(folder: Path) -> Path:
    """The same files with one window changed."""
    with np.load(folder / "test.npz") as arrays:
        x, y = arrays["x"], arrays["y"]
    x[0, 0, 0] += 1
    np.savez(folder / "test.npz", x=x, y=y)
    return folder


def test_unknown_model(tmp_path: Path, encoder: Path) -> None:
    with pytest.raises(InputError, match="'cnn' is no model for it, known are tfidf-linear, minilm"):
        measured(write_texts(tmp_path / "texts"), encoder, only=["cnn"])


def test_damaged_result(tmp_path: Path, encoder: Path) -> None:
    folder = write_texts(tmp_path / "texts")
    path = tmp_path / "work" / "checkpoints" / "baselines" / "texts.tfidf-linear.json"
    path.parent.mkdir(parents=True)
    for content in ("{", "[]", '{"schema": 9}'):
        path.write_text(content)
        with pytest.raises(InputError, match=r"texts\.tfidf-linear\.json: .*delete it to measure again"):
            measured(folder, encoder)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([{"text": "rain", "label": "weather"}] * 30, "one class only, 'weather'"),
        ([], "no rows"),
        ([{"text": "rain", "label": "weather"}, {"text": "goal", "label": "sports"}], "too few to hold some out"),
        ([{"text": "rain", "output": "wet"}] * 30, "its task is generate"),
    ],
)
def test_nothing_to_learn(tmp_path: Path, rows: list[dict[str, str]], reason: str) -> None:
    folder = write_texts(tmp_path / "texts")
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if rows and "output" in rows[0]:
        (folder / "test.jsonl").write_text(json.dumps(rows[0]) + "\n")
    with pytest.raises(InputError, match=reason):
        sources.from_folder(folder)


def test_no_such_set() -> None:
    with pytest.raises(InputError, match="no set is called 'wisdm', there are wisdm51_phone"):
        sources.from_set(sources.run_file("imu"), "wisdm", Path("sets"))


def test_people_are_held_out_together() -> None:
    people = torch.arange(100) // 10
    classes = torch.arange(100) % 2
    train = Part(classes, groups=people)
    new = held_out(train, Part(classes, groups=people + 10))
    assert new.sum() == 10 and len(torch.unique(people[new])) == 1
    known = held_out(train, Part(classes, groups=people))
    assert known.sum() == 10 and len(torch.unique(people[known])) > 1


def test_macro_f1() -> None:
    chance = torch.Generator().manual_seed(1)
    predicted, truth = (torch.randint(0, 5, (200,), generator=chance) for _ in range(2))
    predicted[predicted == 4] = 3
    assert macro_f1(predicted, truth) == pytest.approx(100 * f1_score(truth, predicted, average="macro"))


def test_confusion() -> None:
    found = confusion(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]), ("a", "b"))
    assert found == {"a": {"a": 1, "b": 1}, "b": {"b": 1}}


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ('name = "a"\nminutes = 0.0\nfolder = "f"', "a: minutes is 0.0"),
        ('name = "a/b"\nminutes = 1\nfolder = "f"', "name is 'a/b'"),
        ('name = "a"\nminutes = 1', "folder is '', expected a folder, or tower and set"),
        ('name = "a"\nminutes = 1\ntower = "smell"\nset = "s"', "tower is 'smell'"),
        ('name = "a"\nminutes = 1\ntower = "imu"', "set is ''"),
        ('name = "a"\nminutes = 1\nfolder = "f"\nrows = 3', "rows is 3"),
        ('name = "a"\nminutes = 1\nfolder = "f"\nspeed = 3', r"tasks\[0\].speed is unknown"),
    ],
)
def test_plans_are_checked(tmp_path: Path, task: str, reason: str) -> None:
    path = tmp_path / "list.toml"
    path.write_text(f"[[tasks]]\n{task}\n")
    with pytest.raises(InputError, match=reason):
        plan.read(path)


def test_the_list_can_be_read() -> None:
    found = plan.read(places.ROOT / "training" / "configs" / "baselines.toml")
    assert len(found.tasks) >= 19


def test_networks_are_written_as_onnx_files(tmp_path: Path) -> None:
    tiny_language.write_encoder(tmp_path, ["word", "twice"])
    written = export.export(tmp_path / "text", tmp_path / "out")
    kinds = ["cnn-image", "cnn-sound", "cnn-imu", "gru-imu", "cnn-words-image", "minilm-text"]
    assert [path.stem for path in written] == kinds
    assert all(path.stat().st_size > 10_000 for path in written)
