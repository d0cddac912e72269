"""Published pictures, sounds and recordings become data folders that read back as they were."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tiny
from tiny import Tiny

from loam_train.data import demo, files, media, open_data
from loam_train.data.media import Media
from loam_train.data.spoken_strings import Strings
from loam_train.errors import InputError


def written(source: Media, name: str, root: Path, out: Path) -> dict[str, int]:
    return source.write(name, root, out / name)


def test_grey_arrays_become_files(pictures: Tiny, tmp_path: Path) -> None:
    source = Media("grey", "classify", "made here", "drawn", texts={"bars": "some bars"}, template="a photo of a {}.")
    assert written(source, "grey", pictures.root, tmp_path) == {"train": 24, "test": 12}
    data = open_data(tmp_path / "grey")
    assert (data.task, data.labels) == ("classify", ["bars", "columns"])
    assert data.description.label_texts == {"bars": "some bars"}
    with np.load(pictures.root / "grey" / "data.npz") as arrays:
        expected, labels = arrays["x_test"], arrays["y_test"]
    for example, pixels, label in zip(data.split("test").examples, expected, labels, strict=True):
        assert example.label == data.labels[label]
        np.testing.assert_array_equal(files.picture(example)[..., 0], pixels)


def test_classes_may_take_one_name_and_files_stay_as_they_are(pictures: Tiny, tmp_path: Path) -> None:
    names = {"0": "warm", "1": "cold", "2": "cold"}
    source = Media("coloured", "classify", "made here", "drawn", names=names)
    assert written(source, "coloured", pictures.root, tmp_path) == {"train": 36, "test": 18}
    data = open_data(tmp_path / "coloured")
    assert data.labels == ["warm", "cold"]
    kinds = {example.file.suffix for example in data.examples() if example.file}
    assert kinds == {".jpg", ".png"}


def test_questions_keep_their_pictures(pictures: Tiny, tmp_path: Path) -> None:
    source = Media("asked", "answer", "made here", "drawn", instructions="One word.", fields=media.asked)
    assert written(source, "asked", pictures.root, tmp_path) == {"train": 48, "test": 48}
    data = open_data(tmp_path / "asked")
    assert data.task == "answer"
    assert data.description.instructions == "One word."
    assert len({example.file for example in data.split("train").examples}) == 12
    assert data.split("test").examples[0].prompt == "what color is the circle?"


def test_recordings_keep_units_and_lengths(motion: Tiny, tmp_path: Path) -> None:
    source = Media("gravities", "classify", "made here", "moved")
    written(source, "gravities", motion.root, tmp_path)
    data = open_data(tmp_path / "gravities")
    assert data.motion is not None
    assert (data.motion.rate, data.motion.acceleration, data.motion.rotation) == (50.0, "g", "deg/s")
    first = files.motion(data.split("train").examples[0])
    with np.load(motion.root / "gravities" / "data.npz") as arrays:
        np.testing.assert_array_equal(first, arrays["x_train"][0].astype(np.float32))


@pytest.mark.parametrize(("name", "kind"), [("metric", "motion"), ("coloured", "pictures")])
def test_what_a_tower_did_not_see_is_for_validation(
    name: str, kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    made: Tiny = request.getfixturevalue(kind)
    towers = made.set(name).holding(0.25)
    classes = list(next(source for source in made.run.sets if source.name == name).labels)
    source = Media(name, "classify", "made here", "", names={one: one for one in classes}, hold=0.25)
    written(source, name, made.root, tmp_path)
    data = open_data(tmp_path / name)
    assert towers.valid is not None
    for split, part in (("train", towers.train), ("valid", towers.valid), ("test", towers.test)):
        labels = [example.label for example in data.split(split).examples]
        assert labels == [classes[index] for index in part.classes.tolist()], split


def test_what_is_missing_is_named(pictures: Tiny, tmp_path: Path) -> None:
    source = Media("coloured", "classify", "made here", "drawn", names={"0": "a", "1": "b", "2": "c"})
    tiny.write_manifest(pictures.root / "coloured", [{"file": "gone.png", "split": "test", "label": 0}])
    with pytest.raises(InputError, match=r"manifest.jsonl.zst: gone.png is not in images.tar.zst"):
        source.write("coloured", pictures.root, tmp_path / "coloured")
    with pytest.raises(InputError, match="there is no such data set"):
        Media("nowhere", "classify", "", "").write("nowhere", pictures.root, tmp_path / "x")


def test_the_demo_takes_rows_from_the_middle_and_only_from_the_test_split(motion: Tiny, tmp_path: Path) -> None:
    written(Media("metric", "classify", "made here", "moved"), "metric", motion.root, tmp_path)
    data = open_data(tmp_path / "metric")
    assert demo.write(data, demo.Sample("metric", 3, "CC0"), tmp_path / "demo") == 3
    shown = open_data(tmp_path / "demo")
    assert [example.label for example in shown.split("test").examples] == ["still", "slow", "fast"]
    assert shown.description.licence == "CC0"
    np.testing.assert_allclose(
        files.motion(shown.split("test").examples[0]),
        files.motion(data.split("test").examples[3]),
        rtol=1e-3,
        atol=1e-3,
    )


def test_the_demo_replaces_only_its_own_directory(tmp_path: Path) -> None:
    import argparse

    (tmp_path / "mine.txt").write_text("mine")
    parser = argparse.ArgumentParser()
    demo.add_commands(parser.add_subparsers())
    chosen = parser.parse_args(["demo", str(tmp_path)])
    with pytest.raises(InputError, match="it holds other files"):
        chosen.run(chosen)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_words_of_one_speaker_become_strings(tmp_path: Path) -> None:
    origin, chance = tmp_path / "sets" / "words", np.random.default_rng(1)
    origin.mkdir(parents=True)
    rows = [
        {"file": f"./{speaker}_{word}.flac", "split": split, "text": word, "speaker": speaker}
        for speaker, split in (("ann", "test"), ("bob", "test"), ("cat", "train"))
        for word in ("one", "two")
    ]
    files = {row["file"].removeprefix("./"): tiny.sound_file(tiny.heard("low", 0.3, chance)) for row in rows}
    (origin / "audio.tar").write_bytes(tiny.tar(files))
    (origin / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = Strings("words", "CC0", "made here", 40, 4)
    assert source.write("strings", tmp_path / "sets", tmp_path / "strings") == {"test": 40}
    data = open_data(tmp_path / "strings")
    assert data.task == "transcribe"
    lengths = set()
    for example in data.split("test").examples:
        assert example.file is not None
        said = example.outputs[0].split()
        assert set(said) <= {"one", "two"}
        lengths.add(len(said))
        assert soundfile.info(example.file).duration > 0.3 * len(said)
    assert lengths == {1, 2, 3, 4}
