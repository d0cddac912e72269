"""What is said of a set before anything is trained on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loam_train.data import open_data
from loam_train.data.review import Review, review
from loam_train.errors import InputError

Rows = list[tuple[str, str]]


def looked_at(folder: Path, **parts: Rows) -> Review:
    for split, rows in parts.items():
        lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
    return review(open_data(folder))


def rows(count: int, label: str, start: int = 0) -> Rows:
    return [(f"text {start + number}", label) for number in range(count)]


def test_a_row_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    twice = rows(10, "a") + rows(10, "b", 10)
    found = looked_at(tmp_path, train=twice + twice, test=rows(2, "a", 50))
    assert len(found.train) == 20
    assert any("20 rows of train are there before" in remark for remark in found.remarks)


def test_labels_that_hardly_differ_are_remarked_on(tmp_path: Path) -> None:
    found = looked_at(tmp_path, train=rows(10, "billing") + rows(10, "Billing ", 20), test=rows(2, "billing", 50))
    assert any("'Billing ' and 'billing' differ by case or spaces only" in remark for remark in found.remarks)


def test_a_missing_test_part_is_remarked_on(tmp_path: Path) -> None:
    found = looked_at(tmp_path, train=rows(10, "a") + rows(10, "b", 10))
    assert any("no test split" in remark for remark in found.remarks)


def test_a_class_whose_rows_are_all_in_test_is_no_class(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one class only, 'a', in rows that are in no other split"):
        looked_at(tmp_path, train=rows(20, "a") + rows(5, "b", 20), test=rows(5, "b", 20))


def test_one_row_a_class_is_too_few(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="each of its 12 classes has one row"):
        looked_at(tmp_path, train=[(f"text {k}", f"class {k}") for k in range(12)])
