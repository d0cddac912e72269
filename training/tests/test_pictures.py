"""Sets of pictures: three formats, one shape; hostile archives are refused and named."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
import torch
import zstandard
from PIL import Image
from tiny import (
    COLOURS,
    Tiny,
    Values,
    picture_file,
    questions,
    save_arrays,
    tar,
    write_archive,
    write_json,
    write_manifest,
)

from loam_train import reading
from loam_train.errors import InputError
from loam_train.towers.image import sets

ROWS: list[dict[str, Any]] = [{"file": f"{part}.png", "split": part, "label": 0} for part in ("train", "test")]


def png(width: int, height: int) -> bytes:
    """A grey PNG of a few hundred bytes that says it has so many pixels, and has none."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def refused(tiny: Tiny, name: str, file: str) -> str:
    """What is said of the set, which names the file."""
    with pytest.raises(InputError) as caught:
        tiny.set(name)
    assert str(tiny.root / name / file) in str(caught.value)
    return str(caught.value)


def plain(**changed: bytes) -> dict[str, bytes]:
    """Two small pictures."""
    content = picture_file(np.zeros((8, 8, 3), np.uint8), "png")
    return {"train.png": content, "test.png": content} | {name.replace("_", "."): c for name, c in changed.items()}


def test_all_formats_become_rgb_of_one_size(pictures: Tiny) -> None:
    grey, coloured, asked = pictures.load()
    for data, count in ((grey, 12), (coloured, 18), (asked, 12)):
        assert data.test.inputs.shape == (count, 3, 16, 16)
        assert data.test.inputs.dtype == torch.uint8
        assert len(data.test.raw) == count
        assert not len(data.train.raw)
    assert torch.equal(grey.test.inputs[:, 0], grey.test.inputs[:, 2])
    assert set(coloured.train.extent.tolist()) == {0.5}
    assert set(grey.train.extent.tolist()) == {0.0}
    means = [coloured.test.inputs[coloured.test.classes == k].float().mean((0, 2, 3)) for k in range(3)]
    for mean, colour in zip(means, COLOURS.values(), strict=True):
        torch.testing.assert_close(mean, torch.tensor(colour).float(), atol=12, rtol=0)


def test_sets_without_names_of_classes_number_them(pictures: Tiny) -> None:
    assert pictures.set("coloured").labels == ["red picture", "green picture", "blue picture"]


def test_questions_tell_what_a_picture_shows(pictures: Tiny) -> None:
    asked = pictures.set("asked")
    assert [asked.labels[k] for k in sorted(set(asked.test.classes.tolist()))] == ["blue triangle", "red circle"]
    assert asked.test.classes.bincount().max() == 6


def test_questions_that_leave_it_open_leave_the_picture_out(pictures: Tiny) -> None:
    rows = [row for part in ("train", "test") for row in questions(f"{part}.png", part, "red", "circle")]
    open_one = [{"file": "open.png", "split": "test", "question": "is there a circle in the image?", "answer": "yes"}]
    folder = pictures.root / "asked"
    write_archive(folder, plain(open_png=plain()["test.png"]), rows + open_one)
    assert len(pictures.set("asked").test) == 1
    write_manifest(folder, open_one)
    assert "no picture of split 'train'" in refused(pictures, "asked", "manifest.jsonl.zst")


def test_preparation_is_pillows_bicubic_filter() -> None:
    chance = np.random.default_rng(1)
    picture = chance.integers(0, 256, (40, 23, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(picture).resize((16, 16), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    np.testing.assert_array_equal(sets.prepared(picture, 16), expected)
    grey = chance.integers(0, 256, (16, 16), dtype=np.uint8)
    np.testing.assert_array_equal(sets.prepared(grey, 16), np.stack([grey] * 3))


def test_standardisation_is_that_of_the_stored_configuration(pictures: Tiny) -> None:
    modality, split = pictures.modality(), pictures.set("coloured").test
    stored = modality.preprocessing()
    expected = (split.inputs.float() * stored["rescale_factor"] - stored["image_mean"][0]) / stored["image_std"][0]
    torch.testing.assert_close(modality.prepared(split.inputs, split.extent), expected)


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("x_train", np.zeros((4, 8, 8), np.float32), "x_train is float32 [4, 8, 8], expected uint [N, height, width]"),
        ("x_train", np.zeros((4, 8, 8), np.uint16), "x_train is [4, 8, 8] of uint16"),
        (
            "x_train",
            np.zeros((4, 0, 8), np.uint8),
            "x_train is uint8 [4, 0, 8], expected uint [N, height, width], not empty",
        ),
        ("x_train", np.zeros((1, 1, 4097), np.uint8), "at most 4096 a side"),
        ("y_train", np.zeros(23, int), "y_train [23]"),
        ("y_train", np.full(24, 2), "label of train[0] is 2, expected 0 to 1"),
    ],
)
def test_arrays_of_another_kind_are_named(pictures: Tiny, name: str, values: Values, said: str) -> None:
    path = pictures.root / "grey" / "data.npz"
    save_arrays(path, dict(np.load(path)) | {name: values})
    assert said in refused(pictures, "grey", "data.npz")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([1], "line 1 is '1', expected an object"),
        ([*ROWS, {"split": "test", "label": 0}], "line 3: file is None, expected a string"),
        ([*ROWS, {"file": "a.png", "split": ["test"]}], "line 3: split is ['test'], expected a string"),
        ([ROWS[0]], "no row of split 'test'"),
        ([ROWS[0], ROWS[1] | {"label": True}], "label of test.png is True, expected an index"),
        ([ROWS[0], ROWS[1] | {"label": "0"}], "label of test.png is '0', expected an index"),
    ],
)
def test_bad_rows_are_named(pictures: Tiny, rows: list[Any], said: str) -> None:
    write_archive(pictures.root / "coloured", plain(), rows)
    assert said in refused(pictures, "coloured", "manifest.jsonl.zst")


@pytest.mark.parametrize("label", [-1, 3, 1 << 70])
def test_labels_out_of_range_are_named(pictures: Tiny, label: int) -> None:
    write_archive(pictures.root / "coloured", plain(), [ROWS[0], ROWS[1] | {"label": label}])
    assert f"label of test[0] is {label}, expected 0 to 2" in refused(pictures, "coloured", "manifest.jsonl.zst")


@pytest.mark.parametrize("row", [{"question": 5}, {"question": "what?", "answer": None}])
def test_bad_questions_are_named(pictures: Tiny, row: dict[str, Any]) -> None:
    rows = [questions("train.png", "train", "red", "circle")[0], {"file": "test.png", "split": "test"} | row]
    write_archive(pictures.root / "asked", plain(), rows)
    assert "line 2: " in refused(pictures, "asked", "manifest.jsonl.zst")


@pytest.mark.parametrize("name", ["../train.png", "/etc/hostname", "gone.png", "./train.png", ""])
def test_names_are_looked_up_in_the_archive_alone(pictures: Tiny, name: str) -> None:
    write_archive(pictures.root / "coloured", plain(), [*ROWS, ROWS[0] | {"file": name}])
    said = refused(pictures, "coloured", "images.tar.zst")
    assert f"{name} is in the manifest and not in the archive" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "test.png is no picture that can be read"),
        (b"GIF89a", "test.png is no picture that can be read"),
        (plain()["test.png"][:45], "test.png is no picture that can be read"),
        (png(8, 8), "test.png is no picture that can be read"),
        (png(4097, 1), "test.png has 4097 by 1 pixels, at most 4096 a side"),
        (png(60_000, 60_000), "test.png has too many pixels"),
    ],
    ids=["empty", "gif", "cut", "hollow", "long", "bomb"],
)
def test_files_that_are_no_pictures_are_named(pictures: Tiny, content: bytes, said: str) -> None:
    write_archive(pictures.root / "coloured", plain(test_png=content), ROWS)
    assert said in refused(pictures, "coloured", "images.tar.zst")


def test_the_size_is_checked_before_pixels_are_unpacked(pictures: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    def unpacked(*_: object) -> None:
        raise AssertionError("pixels of a picture that is too large were unpacked")

    write_archive(pictures.root / "coloured", plain(train_png=png(5000, 5000)), ROWS)
    monkeypatch.setattr(Image.Image, "convert", unpacked)
    assert "train.png has 5000 by 5000 pixels" in refused(pictures, "coloured", "images.tar.zst")


def test_archives_that_unpack_to_too_much_are_refused(pictures: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = pictures.root / "coloured"
    monkeypatch.setattr(reading, "MAX_ARCHIVE", 1 << 20)
    (folder / "images.tar.zst").write_bytes(zstandard.compress(bytes(1 << 26)))
    assert "it unpacks to more than 1048576 bytes" in refused(pictures, "coloured", "images.tar.zst")
    write_archive(folder, plain(), ROWS)
    monkeypatch.setattr(sets, "MAX_PIXELS", 100)
    assert "its pictures have more than 100 pixels" in refused(pictures, "coloured", "images.tar.zst")


@pytest.mark.parametrize("file", ["images.tar.zst", "manifest.jsonl.zst", "meta.json"])
def test_missing_and_broken_files_are_named(pictures: Tiny, file: str) -> None:
    path = pictures.root / "coloured" / file
    whole = path.read_bytes()
    for content in (b"not an archive", whole[: len(whole) // 2], b"\xff\xfe{"):
        path.write_bytes(content)
        refused(pictures, "coloured", file)
    path.unlink()
    refused(pictures, "coloured", file)


def test_links_and_files_that_nobody_asked_for_are_left_alone(pictures: Tiny) -> None:
    folder = pictures.root / "coloured"
    write_archive(folder, plain(), ROWS)
    content = io.BytesIO(tar(plain() | {"notes.txt": b"no picture"}))
    (folder / "images.tar.zst").write_bytes(zstandard.compress(content.getvalue()))
    assert len(pictures.set("coloured").test) == 1


def test_classes_without_words_are_named(pictures: Tiny) -> None:
    write_json(pictures.root / "grey" / "meta.json", {"classes": ["bars", "dots"]})
    assert "class 'dots' has no words in labels of set grey" in refused(pictures, "grey", "meta.json")
