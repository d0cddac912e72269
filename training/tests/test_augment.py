"""Augmentation changes what it may and leaves the rest."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from tiny import Tiny

from loam_train.towers import run as runs
from loam_train.towers.image import augment as image
from loam_train.towers.imu import augment as imu
from loam_train.towers.modality import Modality, open_modality
from loam_train.towers.sound import augment as sound

NOTHING = imu.Augmentation(rotation=0.0, scale=0.0, jitter=0.0, speed=0.0, shift=0.0)
ALL = imu.Augmentation(rotation=0.4, scale=0.1, jitter=0.05, speed=0.2, shift=0.2)


def chance(seed: int = 5) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def with_spreads(tiny: Tiny, factor: float) -> Modality:
    """The modality of a run whose spreads are multiplied; pitch is a whole number of bins."""
    spreads = {name: type(value)(value * factor) for name, value in tiny.run.augmentation.items()}
    modality = open_modality(dataclasses.replace(tiny.run, augmentation=spreads), tiny.config)
    modality.measure(tiny.load())
    return modality


def test_no_spread_is_no_change(any_run: Tiny) -> None:
    modality = with_spreads(any_run, 0.0)
    for data in any_run.load():
        inputs, extent = data.train.inputs, data.train.extent
        # Sounds that are longer than a window are cut at a random place in training; mirroring is the set's own.
        keep = extent <= any_run.run.window["frames"] if modality.name == "sound" else torch.ones(len(extent)) > 0
        extent = torch.zeros_like(extent) if modality.name == "image" else extent
        changed = modality.augmented(inputs[keep], extent[keep], chance())
        torch.testing.assert_close(changed, modality.prepared(inputs[keep], extent[keep]), atol=1e-3, rtol=0)


def test_the_generator_alone_decides(any_run: Tiny) -> None:
    modality = with_spreads(any_run, 1.0)
    split = any_run.load()[0].train
    first, same, other = (modality.augmented(split.inputs, split.extent, chance(seed)) for seed in (5, 5, 6))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert first.shape == (len(split), *modality.shape)
    assert first.isfinite().all()


def test_inputs_stay_as_they_were(any_run: Tiny) -> None:
    modality = with_spreads(any_run, 1.0)
    split = any_run.load()[0].train
    before = split.inputs.clone()
    modality.augmented(split.inputs, split.extent, chance())
    assert torch.equal(split.inputs, before)


def test_no_spread_of_motion_is_no_change_at_all() -> None:
    x = torch.randn(4, 6, 30, generator=chance())
    assert torch.equal(imu.augment(x, torch.full((4,), 30), NOTHING, chance()), x)


def test_rotations_keep_lengths_and_handedness() -> None:
    turn = imu.rotations(200, 1.0, chance())
    torch.testing.assert_close(turn @ turn.transpose(1, 2), torch.eye(3).expand(200, 3, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(turn), torch.ones(200), atol=1e-5, rtol=0)


def test_both_sensors_turn_together() -> None:
    half = torch.randn(8, 3, 20, generator=chance())
    by = dataclasses.replace(NOTHING, rotation=1.0)
    x = imu.augment(torch.cat([half, half], 1), torch.full((8,), 20), by, chance())
    torch.testing.assert_close(x[:, :3], x[:, 3:])


def test_motion_that_was_not_recorded_stays_zero_and_out_of_sight() -> None:
    x = torch.randn(16, 6, 30, generator=chance())
    real = torch.full((16,), 18)
    x[:, :, 18:] = 1e6
    out = imu.augment(x, real, ALL, chance())
    assert not out[:, :, 18:].any()
    assert out.abs().max() < 100


def test_sound_that_was_not_recorded_stays_zero_and_out_of_sight(sounds: Tiny) -> None:
    modality = with_spreads(sounds, 1.0)
    logs = torch.randn(16, 64, 64, generator=chance()).half()
    logs[:, :, 10:] = 6e4
    out = modality.augmented(logs, torch.full((16,), 10), chance())
    # Played at 0.9 of its speed, the longest of them has 11 frames.
    assert not out[..., 12:].any()
    assert out.abs().max() < 100


def test_masks_hide_and_change_nothing_else() -> None:
    x = torch.randn(32, 64, 40, generator=chance())
    by = sound.Augmentation(speed=0.0, pitch=0, noise=0.0, tilt=0.0, mask=0.2)
    out = sound.masked(x, torch.full((32,), 40), by, chance())
    hidden = out == 0
    torch.testing.assert_close(out[~hidden], x[~hidden])
    assert 0.1 < hidden.float().mean() < 0.6


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_only_pictures_that_may_be_are_mirrored(share: float) -> None:
    x = torch.rand(6, 3, 12, 12, generator=chance())
    none = image.Augmentation(shift=0.0, scale=0.0, rotation=0.0, brightness=0.0, contrast=0.0, erase=0.0)
    out = image.augment(x, torch.full((6,), share), none, chance())
    torch.testing.assert_close(out, x.flip(3) if share else x, atol=1e-5, rtol=0)


def test_a_square_is_erased_from_half_of_the_pictures() -> None:
    by = image.Augmentation(shift=0.0, scale=0.0, rotation=0.0, brightness=0.0, contrast=0.0, erase=0.5)
    out = image.augment(torch.ones(400, 1, 16, 16), torch.zeros(400), by, chance())
    lost = (out == 0).float().mean((1, 2, 3))
    assert 0.4 < (lost > 0).float().mean() < 0.6
    assert lost.max() <= 0.25


@pytest.mark.parametrize(("key", "value"), [("speed", -0.1), ("scale", float("nan")), ("jitter", float("inf"))])
def test_spreads_that_make_no_sense_are_named(motion: Tiny, key: str, value: float) -> None:
    run = runs.read(motion.config)
    run.augmentation[key] = value
    with pytest.raises(Exception, match=rf"imu.toml: augmentation.{key} is {value}, expected 0 or more"):
        open_modality(run, motion.config)
