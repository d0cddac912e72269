"""What is kept back to judge an adapter by."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from loam_train.adapter.division import divide
from loam_train.adapter.request import Request
from loam_train.data import Example, open_data
from loam_train.data.review import review


def asked(folder: Path, parts: dict[str, list[dict[str, str]]]) -> Request:
    for split, rows in parts.items():
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = open_data(folder)
    return Request(data, review(data), "backbone", folder, "x", "", "", 1.0, 7, folder, False, 10)


def labelled(count: int, start: int = 0) -> list[dict[str, str]]:
    return [{"text": f"row {start + i}", "label": "rare" if i % 10 == 0 else "often"} for i in range(count)]


def texts(rows: list[Example]) -> set[str | None]:
    return {row.text for row in rows}


def test_a_tenth_of_each_class_is_kept_back(tmp_path: Path) -> None:
    learn, valid = divide(asked(tmp_path, {"train": labelled(200)}), 1000)
    assert Counter(row.label for row in valid) == {"often": 18, "rare": 2}
    assert len(learn) == 180
    assert not texts(learn) & texts(valid)


def test_no_more_than_are_used_are_kept_back(tmp_path: Path) -> None:
    learn, valid = divide(asked(tmp_path, {"train": labelled(400)}), 10)
    assert len(valid) == 10
    assert len(learn) == 390


@pytest.mark.parametrize(("own", "kept_back"), [(30, 0), (4, 20)])
def test_the_folders_own_are_used_where_they_suffice(tmp_path: Path, own: int, kept_back: int) -> None:
    request = asked(tmp_path, {"train": labelled(200), "valid": labelled(own, 1000)})
    learn, valid = divide(request, 1000)
    assert len(learn) == 200 - kept_back
    assert len(valid) == own + kept_back


def test_questions_about_one_file_stay_together(tmp_path: Path) -> None:
    rows = []
    for number in range(20):
        (tmp_path / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes([number]))
        rows += [{"file_name": f"{number}.png", "text": f"what is {k}?", "output": str(k)} for k in range(5)]
    learn, valid = divide(asked(tmp_path, {"train": rows}), 1000)
    assert len(valid) == 10
    assert len(learn) == 90
    assert not {row.file for row in learn} & {row.file for row in valid}
