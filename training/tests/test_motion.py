"""Units, signs and rates end in one layout."""

from __future__ import annotations

import numpy as np
import pytest

from loam_train.towers.imu.layout import Recorder, resampling, unified

COMMON = Recorder(rate=20.0, acceleration="m/s^2", rotation="rad/s", frame="android")


def test_g_and_degrees_become_metres_and_radians() -> None:
    recorder = Recorder(rate=20.0, acceleration="g", rotation="deg/s", frame="android")
    values, real = unified(np.array([[0, 0, 1, 180, 0, 0]] * 4, np.float32), recorder, 20.0, 4)
    assert real == 4
    np.testing.assert_allclose(values[0], [0, 0, 9.80665, np.pi, 0, 0], rtol=1e-6)


def test_ios_turns_accelerations_and_not_rotations() -> None:
    recorder = Recorder(rate=20.0, acceleration="g", rotation="rad/s", frame="ios")
    values, _ = unified(np.array([[0, 0, -1, 2, 0, 0]] * 3, np.float32), recorder, 20.0, 3)
    np.testing.assert_allclose(values[0], [0, 0, 9.80665, 2, 0, 0], rtol=1e-6)


def test_another_rate_keeps_gravity_and_the_movement() -> None:
    time = np.arange(150) / 50
    samples = np.zeros((150, 6), np.float32)
    samples[:, 2], samples[:, 0] = 9.81, np.sin(2 * np.pi * time)
    recorder = Recorder(rate=50.0, acceleration="m/s^2", rotation="rad/s", frame="android")
    values, real = unified(samples, recorder, 20.0, 60)
    assert real == 60
    np.testing.assert_allclose(values[:, 2], 9.81, rtol=1e-5)
    middle = slice(10, 50)
    np.testing.assert_allclose(values[middle, 0], np.sin(2 * np.pi * np.arange(60) / 20)[middle], atol=0.01)


def test_what_the_new_rate_cannot_hold_is_removed() -> None:
    tone = np.sin(2 * np.pi * 17 * np.arange(200) / 50).astype(np.float32)
    assert np.abs(resampling(200, 50.0, 20.0, 200) @ tone)[10:-10].max() < 0.02


def test_short_recordings_end_in_zeros_and_long_ones_are_cut() -> None:
    short, real = unified(np.ones((5, 6), np.float32), COMMON, 20.0, 8)
    assert real == 5
    assert short[:5].all() and not short[5:].any()
    long, real = unified(np.arange(60, dtype=np.float32).reshape(10, 6), COMMON, 20.0, 8)
    assert real == 8
    assert long[-1, 0] == 42


@pytest.mark.parametrize("rate", [25.0, 31.25, 100.0])
def test_rows_of_the_resampler_add_up_to_one(rate: float) -> None:
    np.testing.assert_allclose(resampling(90, rate, 20.0, 90).sum(1), 1, rtol=1e-5)


def test_steps_that_are_left_out_change_nothing() -> None:
    whole = resampling(400, 100.0, 20.0, 400)
    assert whole.shape == (80, 400)
    np.testing.assert_array_equal(resampling(400, 100.0, 20.0, 30), whole[:30])
    assert resampling(50, 20.0, 20.0, 30).shape == (30, 50)
