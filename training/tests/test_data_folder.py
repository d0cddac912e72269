"""Layouts of data folders, how a single file is divided, and what is said of sets that teach nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from loam_train.data import Example, open_data
from loam_train.data.files import motion
from loam_train.data.folder import part
from loam_train.data.review import review
from loam_train.errors import InputError


def rows(path: Path, *found: tuple[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in found))


def many(count: int = 12, start: int = 0) -> list[tuple[str, str]]:
    return [(f"text {start + i}", "ab"[i % 2]) for i in range(count)]


def test_listings_and_their_description(tmp_path: Path) -> None:
    rows(tmp_path / "train.jsonl", *many())
    rows(tmp_path / "test" / "metadata.jsonl", ("other", "b"))
    (tmp_path / "data.json").write_text('{"schema": 1, "name": "letters", "labels": ["b", "a"], "licence": "CC0"}')
    data = open_data(tmp_path)
    assert (data.name, data.task, data.labels) == ("letters", "classify", ["b", "a"])
    assert [len(data.split(name)) for name in ("train", "valid", "test")] == [12, 0, 1]


def test_a_directory_for_each_class(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        for number in range(2):
            file = tmp_path / "train" / label / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"")
    (tmp_path / "train" / ".hidden").mkdir()
    data = open_data(tmp_path)
    assert [(e.label, e.modality) for e in data.examples()] == [("cat", "image")] * 2 + [("dog", "image")] * 2


def test_recordings_of_motion(tmp_path: Path) -> None:
    x = np.arange(2 * 5 * 6, dtype=np.float16).reshape(2, 5, 6)
    np.savez(tmp_path / "train.npz", x=x, y=np.array([1, 0]), length=np.array([3, 5]))
    (tmp_path / "data.json").write_text('{"labels": ["still", "walk"], "motion": {"rate": 20.0, "axes": "ios"}}')
    data = open_data(tmp_path)
    first = data.split("train").examples[0]
    assert (first.label, data.motion and data.motion.axes) == ("walk", "ios")
    assert motion(first).dtype == np.float32
    assert motion(first).tolist() == x[0, :3].tolist()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"colour": 1}', "colour is unknown"),
        ('{"task": "paint"}', "task is 'paint', expected classify"),
        ('{"labels": ["a", "a"]}', "expected each class once"),
        ('{"labels": ["a"]}', "row 2: label is 'b', which labels does not name"),
        ('{"task": "generate"}', "the rows have a label"),
        ('{"template": "x"}', "a text with {} in it"),
        ('{"motion": {"rate": 0}}', "motion.rate"),
        ("[1]", "expected a JSON object"),
        ("{", "data.json"),
    ],
)
def test_a_wrong_description_is_named(tmp_path: Path, content: str, reason: str) -> None:
    rows(tmp_path / "train.jsonl", *many())
    (tmp_path / "data.json").write_text(content)
    with pytest.raises(InputError) as error:
        open_data(tmp_path)
    assert reason in str(error.value)


def test_layouts_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        open_data(tmp_path / "absent.csv")
    with pytest.raises(InputError, match="no train, valid or test in it"):
        open_data(tmp_path)
    rows(tmp_path / "train.jsonl", *many())
    rows(tmp_path / "train" / "metadata.jsonl", *many())
    with pytest.raises(InputError, match="train is there as train.jsonl and as train/metadata.jsonl"):
        open_data(tmp_path)


def test_a_row_of_a_single_file_stays_where_it_is(tmp_path: Path) -> None:
    assert part(Example("", "hello", label="x"), tmp_path) == part(Example("", "hello", label="y"), tmp_path)
    rows(tmp_path / "data.jsonl", *many(400))
    before = open_data(tmp_path / "data.jsonl")
    rows(tmp_path / "data.jsonl", *many(500))
    after = open_data(tmp_path / "data.jsonl")
    for name, split in before.splits.items():
        assert {e.prompt for e in split.examples} <= {e.prompt for e in after.split(name).examples}
    assert [len(after.split(name)) // 40 for name in ("train", "valid", "test")] == [8, 1, 2]


def test_what_teaches_nothing_is_said(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    rows(path, *many(9))
    with pytest.raises(InputError, match="9 rows to train on, expected at least 10"):
        review(open_data(tmp_path))
    rows(path, *((f"text {i}", "a") for i in range(12)))
    with pytest.raises(InputError, match="one class only, 'a'"):
        review(open_data(tmp_path))
    rows(path, *many())
    rows(tmp_path / "test.jsonl", ("new", "c"))
    with pytest.raises(InputError, match="label 'c' has 1 rows in test and none in train"):
        review(open_data(tmp_path))


def test_what_is_doubtful_is_remarked(tmp_path: Path) -> None:
    rows(tmp_path / "train.jsonl", *many(14), ("text 1", "a"), ("once", "c"))
    rows(tmp_path / "test.jsonl", ("text 0", "a"), ("unseen", "b"))
    found = review(open_data(tmp_path))
    assert "text 0" not in {example.prompt for example in found.train}
    assert [remark.split(":")[0] for remark in found.remarks] == [
        "1 rows of train are in test too; they are not trained on",
        "1 classes have fewer than 2 rows",
        "1 texts of train have two labels, such as 'text 1'",
    ]
