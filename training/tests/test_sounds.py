"""Sets of sounds: recordings become spectrograms; hostile archives are refused and named."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from tiny import Tiny, Values, sound_file, tar

from loam_train.errors import InputError
from loam_train.towers.sound import mel, sets

ROWS: list[dict[str, Any]] = [{"file": f"{part}.flac", "split": part, "label": 0} for part in ("train", "test")]
SECOND = np.random.default_rng(2).normal(0, 0.1, 16_000)


def write(tiny: Tiny, files: dict[str, bytes], rows: list[Any]) -> None:
    folder = tiny.root / "tones"
    (folder / "audio.tar").write_bytes(tar(files))
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def plain(**changed: bytes) -> dict[str, bytes]:
    """Two recordings of a second."""
    content = sound_file(SECOND)
    return {"train.flac": content, "test.flac": content} | {name.replace("_", "."): c for name, c in changed.items()}


def refused(tiny: Tiny, file: str) -> str:
    """What is said of the set, which names the file."""
    with pytest.raises(InputError) as caught:
        tiny.set("tones")
    assert str(tiny.root / "tones" / file) in str(caught.value)
    return str(caught.value)


def test_recordings_become_spectrograms_of_their_length(sounds: Tiny) -> None:
    tones = sounds.set("tones")
    assert tones.train.inputs.shape == (36, mel.BINS, 64)
    lengths = [min(64, len(samples) // 256 + 1) for samples in tones.test.raw]
    assert tones.test.extent.tolist() == lengths
    assert min(lengths) < 32 < 64 == max(lengths)
    for row, length in enumerate(lengths):
        assert not tones.test.inputs[row, :, length:].any()
    assert not len(tones.train.raw)


def test_a_tone_is_loudest_in_its_own_bin() -> None:
    for pitch in (300.0, 1000.0, 4000.0):
        logs = mel.logarithms(torch.sin(2 * torch.pi * pitch * torch.arange(16_000) / 16_000))
        low, high = (2595 * np.log10(1 + hertz / 700) for hertz in (40, 7800))
        points = 700 * (10 ** (np.linspace(low, high, mel.BINS + 2) / 2595) - 1)
        assert int(logs.mean(1).argmax()) == int(np.abs(points[1:-1] - pitch).argmin())
    assert logs.shape == (mel.BINS, 16_000 // 256 + 1)


def test_normalised_spectrograms_have_no_mean_and_silence_after_their_end() -> None:
    logs, real = torch.randn(3, mel.BINS, 20) - 5, torch.tensor([20, 7, 1])
    out = mel.normalised(logs, real)
    for row, length in enumerate(real.tolist()):
        assert abs(float(out[row, :, :length].mean())) < 1e-5
        assert not out[row, :, length:].any()
    # Loudness is a constant in logarithms.
    torch.testing.assert_close(mel.normalised(logs + 3, real), out, atol=1e-5, rtol=0)


def test_a_cut_takes_the_place_that_is_asked_for() -> None:
    logs = torch.arange(10.0).expand(3, mel.BINS, 10)
    out, real = mel.cut(logs, torch.tensor([10, 10, 4]), 6, torch.tensor([0.0, 0.5, 0.5]))
    assert out[0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert out[1, 0].tolist() == [2, 3, 4, 5, 6, 7]
    assert out[2, 0, :4].tolist() == [0, 1, 2, 3]
    assert real.tolist() == [6, 6, 4]


@pytest.mark.parametrize("count", [16_000, 16_384, 20_001, 40_000])
def test_the_middle_of_what_is_kept_is_the_middle(sounds: Tiny, count: int) -> None:
    samples = np.random.default_rng(3).normal(0, 0.1, count).astype(np.float32)
    whole = mel.logarithms(torch.from_numpy(samples)).half()
    first = max(0, whole.shape[1] - 32) // 2
    expected = mel.normalised(whole[None, :, first : first + 32].float(), torch.tensor([min(32, whole.shape[1])]))
    found = sounds.modality().prepared(*sets.spectrograms([samples], 64))[:, 0]
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("samples", "options", "said"),
    [
        (SECOND, {"rate": 44_100}, "test.flac has 1 channels at 44100 Hz, expected 1 at 16000"),
        (np.stack([SECOND] * 2, 1), {}, "test.flac has 2 channels at 16000 Hz, expected 1 at 16000"),
        (SECOND[:1023], {}, "test.flac has 1023 samples, expected 1024 to 960000"),
        (np.zeros(960_001), {}, "test.flac has 960001 samples, expected 1024 to 960000"),
        (
            np.where(np.arange(16_000) == 77, np.nan, SECOND),
            {"form": "WAV", "subtype": "FLOAT"},
            "test.flac[77] is not finite",
        ),
    ],
    ids=["rate", "stereo", "short", "long", "nan"],
)
def test_recordings_of_another_kind_are_named(
    sounds: Tiny, samples: Values, options: dict[str, Any], said: str
) -> None:
    write(sounds, plain(test_flac=sound_file(samples, **options)), ROWS)
    assert said in refused(sounds, "audio.tar")


@pytest.mark.parametrize(
    "content", [b"", b"fLaC", b"RIFF" + bytes(40), sound_file(SECOND)[:9000]], ids=["empty", "head", "zeros", "cut"]
)
def test_files_that_are_no_sounds_are_named(sounds: Tiny, content: bytes) -> None:
    write(sounds, plain(test_flac=content), ROWS)
    assert "test.flac " in refused(sounds, "audio.tar")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["x"], "line 1 is '\"x\"', expected an object"),
        ([*ROWS, {"file": 5, "split": "test"}], "line 3: file is 5, expected a string"),
        ([ROWS[1]], "no row of split 'train'"),
        ([ROWS[0], ROWS[1] | {"label": None}], "label of test.flac is None, expected an index"),
        ([ROWS[0], ROWS[1] | {"label": 3}], "label of test[0] is 3, expected 0 to 2"),
    ],
)
def test_bad_rows_are_named(sounds: Tiny, rows: list[Any], said: str) -> None:
    write(sounds, plain(), rows)
    if rows == ["x"]:
        write(sounds, {}, rows)
    assert said in refused(sounds, "manifest.jsonl")


@pytest.mark.parametrize("name", ["../train.flac", "/etc/hostname", "gone.flac"])
def test_names_are_looked_up_in_the_archive_alone(sounds: Tiny, name: str) -> None:
    write(sounds, plain(), [*ROWS, ROWS[0] | {"file": name}])
    assert f"{name} is in the manifest and not in the archive" in refused(sounds, "audio.tar")


def test_archives_with_too_much_in_them_are_refused(sounds: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    write(sounds, plain(), ROWS)
    with monkeypatch.context() as patch:
        patch.setattr(sets, "MAX_HOURS", 1.5 / 3600)
        assert "its recordings last more than" in refused(sounds, "audio.tar")
    with monkeypatch.context() as patch:
        patch.setattr(sets, "_MAX_BYTES", 5000)
        assert "train.flac has" in refused(sounds, "audio.tar")


@pytest.mark.parametrize("file", ["audio.tar", "manifest.jsonl", "meta.json"])
def test_missing_and_broken_files_are_named(sounds: Tiny, file: str) -> None:
    path = sounds.root / "tones" / file
    whole = path.read_bytes()
    for content in (b"not an archive\xff", whole[: len(whole) // 2 - 3]):
        path.write_bytes(content)
        refused(sounds, file)
    path.unlink()
    refused(sounds, file)
