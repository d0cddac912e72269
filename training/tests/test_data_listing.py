"""Rows of listings: what is read, and which words a person gets for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loam_train.data import listing
from loam_train.data.example import Example
from loam_train.errors import InputError


def jsonl(folder: Path, *rows: Any) -> Path:
    path = folder / "train.jsonl"
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return path


def read(path: Path) -> list[Example]:
    return list(listing.read(path, path.parent))


def test_rows_of_both_formats_are_the_same(tmp_path: Path) -> None:
    objects = jsonl(tmp_path, {"text": 'a "quoted", text', "label": "x", "id": 7}, {"text": "two\nlines", "label": "y"})
    table = tmp_path / "train.csv"
    table.write_text('\ufefftext,label,id\n"a ""quoted"", text",x,7\n"two\nlines",y,8\n', encoding="utf-8")
    found = [(row.text, row.label) for row in read(table)]
    assert found == [(row.text, row.label) for row in read(objects)] == [('a "quoted", text', "x"), ("two\nlines", "y")]


def test_a_pair_is_a_text_on_two_lines(tmp_path: Path) -> None:
    (row,) = read(jsonl(tmp_path, {"text": "a", "text2": "b", "outputs": ["c", "d"]}))
    assert row.prompt == "a\nb"
    assert row.outputs == ("c", "d")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"text": "a"}, "row 1: expected 'label', or 'output' or 'outputs', and only one of them"),
        ({"text": "a", "label": "x", "output": "y"}, "only one of them"),
        ({"text": " ", "label": "x"}, "row 1: text is empty"),
        ({"text": "a", "label": 3}, "row 1: label is 3, expected a text"),
        ({"text": "a", "labels": "x"}, "column 'labels' is unknown, known are text, text2"),
        ({"label": "x"}, "row 1 has neither 'text' nor 'file_name'"),
        ({"text": "a", "outputs": []}, "expected a list of 1 to 64 texts"),
        ({"text2": "a", "file_name": "a.png", "label": "x"}, "'text2' without 'text'"),
        (["a"], "expected a JSON object"),
        ("{\n", "row 1 is no JSON object"),
        ({"file_name": "../a.png", "label": "x"}, "expected a path inside the folder"),
        ({"file_name": "/etc/a.png", "label": "x"}, "expected a path inside the folder"),
        ({"file_name": "a.exe", "label": "x"}, "expected one of .csv, .flac"),
        ({"file_name": "absent.png", "label": "x"}, "is no file"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, row: Any, reason: str) -> None:
    path = jsonl(tmp_path, row)
    with pytest.raises(InputError) as error:
        read(path)
    assert reason in str(error.value)
    assert str(path) in str(error.value)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(InputError, match="a link that leaves the folder"):
        read(jsonl(folder, {"file_name": "a.png", "label": "x"}))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"text,label\na\n", "row 1 (line 2) has 1 cells, the header 2"),
        (b"text,text\na,b\n", "the header names text twice"),
        (b"text,outputs\na,b\n", "use 'output' or a .jsonl file"),
        (b'text,label\n"a,b\n', "line 2"),
        (b"text,label\n\xff,b\n", "save it as UTF-8"),
        (b"text,label\n,b\n", "row 1 (line 2): text is empty"),
    ],
)
def test_a_wrong_table_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "train.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read(path)
    assert reason in str(error.value)


def test_rows_and_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = jsonl(tmp_path, *({"text": "a" * 40, "label": "x"} for _ in range(3)))
    monkeypatch.setattr(listing, "MAX_ROWS", 2)
    with pytest.raises(InputError, match="more than 2 rows"):
        read(path)
    monkeypatch.setattr(listing, "MAX_ROW", 20)
    with pytest.raises(InputError, match="row 1 has 67 bytes, the limit is 20"):
        read(path)
    monkeypatch.setattr(listing, "MAX_BYTES", 100)
    with pytest.raises(InputError, match="the limit is 100"):
        read(path)
