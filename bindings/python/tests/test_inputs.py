"""Arrays in and out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from place import SCENARIOS
from scenario import SOURCE, motion

import loam


@pytest.fixture
def speech() -> npt.NDArray[np.int16]:
    return np.frombuffer((SCENARIOS / "speech.wav").read_bytes()[44:], dtype="<i2")


def test_sound_is_the_same_in_every_form(app: loam.App, speech: npt.NDArray[np.int16]) -> None:
    text = app.transcribe(loam.Input.wav_file(SCENARIOS / "speech.wav")).text
    assert text
    f32 = (speech / 32768).astype(np.float32)
    stereo = np.stack([speech, speech], axis=1)
    for form in (
        loam.Input.pcm(speech, 16_000),
        loam.Input.pcm(f32, 16_000),
        loam.Input.pcm(f32.astype(np.float64), 16_000),
        loam.Input.pcm(stereo, 16_000),
        loam.Input.pcm(stereo.reshape(-1), 16_000, channels=2),
        loam.Input.pcm(speech.astype(">i2").astype(np.int16), 16_000),
        # Every second sample of a longer array: not contiguous.
        loam.Input.pcm(np.repeat(speech, 2)[::2], 16_000),
        loam.Input.pcm_bytes(speech.tobytes(), loam.PcmFormat.I16, 16_000),
    ):
        assert form.kind == "sound"
        assert app.transcribe(form).text == text


def test_pictures_are_read_by_rows_from_the_top(app: loam.App) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
    expected = app.embed(loam.Input.pixels(rgb)).vector
    bgra = np.dstack([rgb[..., ::-1], np.full((20, 30), 255, np.uint8)])
    assert np.array_equal(app.embed(loam.Input.pixels(bgra, loam.PixelLayout.BGRA)).vector, expected)
    assert not np.array_equal(app.embed(loam.Input.pixels(rgb.transpose(1, 0, 2))).vector, expected)
    flipped = loam.Input.pixels(rgb[::-1])
    assert np.array_equal(app.embed(loam.Input.pixels(rgb[::-1].copy())).vector, app.embed(flipped).vector)


def test_motion_with_even_timestamps_is_motion_without(app: loam.App) -> None:
    window = motion(SCENARIOS / "walk.f32")[:50]
    plain = app.embed(loam.Input.motion(window, SOURCE)).vector
    timed = app.embed(loam.Input.motion(window.astype(np.float64), SOURCE, timestamps=np.arange(50) / 50)).vector
    assert np.allclose(plain, timed, atol=1e-4)


def test_a_gap_is_repaired_where_that_is_asked_for(app: loam.App) -> None:
    window = motion(SCENARIOS / "walk.f32")[:50].copy()
    window[10] = np.nan
    with pytest.raises(loam.LoamError.Argument):
        app.embed(loam.Input.motion(window, SOURCE))
    repair = loam.Repair.INTERPOLATE(100.0)
    assert np.isfinite(app.embed(loam.Input.motion(window, SOURCE, repair=repair)).vector).all()


def test_an_embedding_is_a_read_only_array_of_unit_length(app: loam.App) -> None:
    vector = app.embed(loam.Input.text("two cats")).vector
    assert vector.dtype == np.float32 and vector.shape == (16,)
    assert abs(float(np.linalg.norm(vector)) - 1) < 1e-5
    with pytest.raises(ValueError, match="read-only"):
        vector[0] = 0


def test_an_index_takes_what_embed_gives_and_lists(app: loam.App) -> None:
    index = loam.Index()
    for text in ("two cats", "a dog"):
        index.insert(text, app.embed(loam.Input.text(text)).vector)
    index.insert("list", [1.0] + [0.0] * 15)
    assert len(index) == 3
    best = index.search(app.embed(loam.Input.text("a dog")).vector, 1)[0]
    assert best.key == "a dog" and abs(best.similarity - 1) < 1e-5
    assert index.remove("list") and not index.remove("list") and len(index) == 2


@pytest.mark.parametrize(
    "make",
    [
        lambda: loam.Input.pixels(np.zeros((2, 2, 3), np.float32)),
        lambda: loam.Input.pixels(np.zeros((2, 2, 2), np.uint8)),
        lambda: loam.Input.pixels(np.zeros(4, np.uint8)),
        lambda: loam.Input.pixels(np.zeros((2, 2, 3), np.uint8), loam.PixelLayout.BGRA),
        lambda: loam.Input.pixels(np.zeros((0, 2, 3), np.uint8)),
        lambda: loam.Input.pcm(np.zeros(4, np.int32), 16_000),
        lambda: loam.Input.pcm(np.zeros((4, 2, 1), np.int16), 16_000),
        lambda: loam.Input.pcm(np.zeros(3, np.int16), 16_000, channels=2),
        lambda: loam.Input.motion(np.zeros((4, 3), np.float32), SOURCE),
        lambda: loam.Input.motion(np.zeros((4, 6), np.float32), SOURCE, timestamps=np.zeros(3)),
        lambda: loam.Input.motion(np.zeros((4, 6), np.complex64), SOURCE),
        lambda: loam.Index().insert("a", np.array(["x"])),
        lambda: loam.Index().insert("a", [float("nan")]),
    ],
)
def test_arrays_of_another_kind_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(loam.LoamError.Argument, match="invalid") as raised:
        make()
    assert raised.value.code() == 2


def test_speech_is_an_array_of_samples(app: loam.App) -> None:
    one, other = (app.speak("gobˈa", seed=seed).samples for seed in (1, 2))
    assert one.dtype == np.float32 and one.ndim == 1 and 0 < np.abs(one).max() <= 1
    assert len(one) != len(other) or not np.array_equal(one, other)
    slow = app.speak("gobˈa", seed=1, speaking_rate=0.5)
    assert len(slow.samples) > len(one)
