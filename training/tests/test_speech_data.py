"""What is read aloud, corpora on disk, and recordings: by seed, and with what is wrong named."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import zstandard

from loam_train.errors import InputError
from loam_train.speech import corpus, lines, mel, recordings
from loam_train.speech.corpus import Clip, Corpus
from loam_train.speech.lines import Cast, Line, Script, Texts
from loam_train.speech.mel import Mel
from loam_train.speech.voices import Manner

MEL = Mel(rate=16_000, transform=256, hop=160, bins=16, low=60.0, high=7600.0, offset=1e-6, scale=3.0)
SENTENCES = ["The dog sleeps in the sun.", "It costs 5 pounds, does it not?", "NASA is an acronym.", "What a day!"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A corpus of texts with a train and a test split."""
    folder = tmp_path / "sets" / "lm" / "tiny"
    folder.mkdir(parents=True)
    for split in ("train", "test"):
        content = "".join(json.dumps({"text": sentence + f" {split.title()} it is."}) + "\n" for sentence in SENTENCES)
        (folder / f"{split}.jsonl.zst").write_bytes(zstandard.ZstdCompressor().compress(content.encode()))
    return tmp_path / "sets"


@pytest.fixture
def script() -> Script:
    return Script(
        seed=1,
        hours=0.01,
        longest=80,
        rate=[0.9, 1.1],
        warp=[0.95, 1.05],
        texts=[Texts("lm/tiny", "made here", 0.5), Texts("digits", "made up", 0.5)],
        casts=[Cast("espeak", "free", 1.0, ["en-us"], ["", "+f2", "+m3"], ["+m3"])],
    )


def test_lines_follow_from_the_seed(root: Path, script: Script) -> None:
    drawn = lines.draw(script, root, test=False)
    assert drawn == lines.draw(script, root, test=False)
    assert drawn != lines.draw(dataclasses.replace(script, seed=2), root, test=False)
    assert any("five pounds" in line.transcript for line in drawn)
    assert not any("nasa" in line.transcript or "test" in line.transcript for line in drawn)


def test_held_out_voices_and_texts_are_for_tests_alone(root: Path, script: Script) -> None:
    train, test = (lines.draw(script, root, test=test) for test in (False, True))
    assert {line.manner.voice for line in train} == {"en-us", "en-us+f2"}
    assert {line.manner.voice for line in test} == {"en-us+m3"}
    assert not any("train it is" in line.transcript for line in test)


def test_long_sentences_are_cut_at_clauses(root: Path) -> None:
    found = lines.sentences(root / "lm/tiny/train.jsonl.zst", ["text"], 20)
    assert "does it not?" in found
    assert "What a day!" in found
    assert all(len(sentence) <= 20 for sentence in found)


def test_manifests_are_read_as_they_were_written(tmp_path: Path, root: Path, script: Script) -> None:
    drawn = lines.draw(script, root, test=False)
    lines.write(drawn, tmp_path / "m.jsonl")
    assert lines.read(tmp_path / "m.jsonl") == drawn


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"text": ""}, "row 1: text has 0 characters"),
        ({"text": "a" * 3000}, "row 1: text has 3000 characters"),
        ({"transcript": "Loud"}, "row 1: transcript is 'Loud'"),
        ({"voice": "-w/etc/passwd"}, "row 1: voice is '-w/etc/passwd'"),
        ({"voice": "../../x"}, "row 1: voice is '../../x'"),
        ({"engine": "sh"}, "row 1: engine is 'sh', expected one of espeak, flite, piper"),
        ({"rate": 90.0}, "row 1: rate is 90.0, expected 0.5 to 2.0"),
        ({"warp": float("nan")}, "row 1: warp is nan"),
        ({"pitch": "high"}, "row 1.manner.pitch is 'high', expected float"),
        ({"more": 1}, "row 1.more is unknown"),
    ],
)
def test_hostile_manifests_are_refused(tmp_path: Path, change: dict[str, object], said: str) -> None:
    manner = {"engine": "espeak", "voice": "en", "rate": 1.0, "pitch": 0.5, "warp": 1.0}
    row: dict[str, object] = {"text": "hello", "transcript": "hello", "manner": manner}
    for key, value in change.items():
        (manner if key in manner else row)[key] = value
    path = tmp_path / "m.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(InputError) as caught:
        lines.read(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(("content", "said"), [("[1]\n", "row 1 is no object"), ("{", "Expecting"), ("\xff", "decode")])
def test_files_that_are_no_manifest_are_named(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=said):
        lines.read(path)


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_synthesis_is_the_same_each_time_and_keeps_what_fits() -> None:
    manner = Manner("espeak", "en-us+f2", 1.0, 0.5, 1.05)
    said = [Line("one two three", "one two three", manner), Line("one", "one " * 30 + "one", manner)]
    first, again = (list(corpus.synthesised(said, MEL, 4, 1)) for _ in range(2))
    assert [clip.transcript for clip in first] == ["one two three"]
    # The order in which the transform's libraries add depends on where memory lies: energies are equal but for rounding.
    energies, others = (np.exp(clips[0].frames.astype(np.float32)) for clips in (first, again))
    np.testing.assert_allclose(energies, others, rtol=0.01, atol=2e-6)
    assert first[0].source == "espeak:en-us+f2"
    assert 60 < len(first[0].frames) < 200


def test_corpora_are_read_as_they_were_written(tmp_path: Path) -> None:
    clips = [Clip(np.full((n, 4), n, np.float16), f"{n}", "me") for n in (3, 5)]
    assert corpus.write(tmp_path / "c", clips) == 8
    found = Corpus(tmp_path / "c", 4)
    assert [found[i].transcript for i in range(len(found))] == ["3", "5"]
    assert np.array_equal(found[1].frames, clips[1].frames)
    with pytest.raises(InputError, match="index.json"):
        Corpus(tmp_path / "c", 8)
    with pytest.raises(InputError, match="speech-data"):
        Corpus(tmp_path / "none", 4)


def _archive(folder: Path, rate: int = 16_000) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(0)
    rows, names = [], ["a.flac", "b.flac", "c.flac"]
    with tarfile.open(folder / "audio.tar", "w") as tar:
        for name, said in zip(names, ["One", "two", "two"], strict=True):
            file = io.BytesIO()
            soundfile.write(file, 0.1 * chance.standard_normal(4000), rate, format="FLAC")
            info = tarfile.TarInfo(name)
            info.size = len(file.getvalue())
            tar.addfile(info, io.BytesIO(file.getvalue()))
            rows.append({"file": name, "split": "test", "text": said, "speaker": "x" if name != "c.flac" else "y"})
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_recordings_and_strings_of_their_words(tmp_path: Path) -> None:
    _archive(tmp_path)
    found = recordings.read(tmp_path, "test", 16_000)
    assert [recording.transcript for recording in found] == ["one", "two", "two"]
    strings = recordings.strings(found, 20, 3, 16_000, 7)
    again = recordings.strings(found, 20, 3, 16_000, 7)
    assert [s.transcript for s in strings] == [s.transcript for s in again]
    assert all("one" not in s.transcript for s in strings if s.speaker == "y")
    clips = list(corpus.recorded(found, [0.9, 1.0], MEL))
    assert len(clips) == 6
    assert len(clips[0].frames) > len(clips[1].frames)


def test_recordings_that_do_not_fit_are_named(tmp_path: Path) -> None:
    _archive(tmp_path, rate=8000)
    with pytest.raises(InputError, match="a.flac has 8000 Hz, expected 16000"):
        recordings.read(tmp_path, "test", 16_000)
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text(manifest.read_text().replace("a.flac", "../../etc/x"))
    with pytest.raises(InputError, match="x of manifest.jsonl is missing"):
        recordings.read(tmp_path, "test", 8000)
    (tmp_path / "audio.tar").write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"audio\.tar"):
        recordings.read(tmp_path, "test", 8000)


def test_filters_have_one_peak_each_and_equal_areas() -> None:
    bank = mel.filters(Mel(16_000, 512, 160, 64, 60.0, 7600.0, 1e-6, 3.0))
    assert bank.shape == (64, 257)
    assert (bank.sum(1) > 0).all()
    areas = bank[40:].sum(1) * 16_000 / 512
    assert np.allclose(areas, 1, atol=0.05)
