"""Augmentation changes what it may and leaves the rest."""

from __future__ import annotations

import torch

from loam_train.augment import augment, rotations
from loam_train.run import Augmentation

NOTHING = Augmentation(rotation=0.0, scale=0.0, jitter=0.0, speed=0.0, shift=0.0)
ALL = Augmentation(rotation=0.4, scale=0.1, jitter=0.05, speed=0.2, shift=0.2)


def chance() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def test_no_spread_is_no_change() -> None:
    x = torch.randn(4, 6, 30, generator=chance())
    assert torch.equal(augment(x, torch.full((4,), 30), NOTHING, chance()), x)


def test_rotations_keep_lengths_and_handedness() -> None:
    turn = rotations(200, 1.0, chance())
    torch.testing.assert_close(turn @ turn.transpose(1, 2), torch.eye(3).expand(200, 3, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(turn), torch.ones(200), atol=1e-5, rtol=0)


def test_both_sensors_turn_together() -> None:
    half = torch.randn(8, 3, 20, generator=chance())
    by = Augmentation(rotation=1.0, scale=0.0, jitter=0.0, speed=0.0, shift=0.0)
    x = augment(torch.cat([half, half], 1), torch.full((8,), 20), by, chance())
    torch.testing.assert_close(x[:, :3], x[:, 3:])


def test_what_was_not_recorded_stays_zero_and_out_of_sight() -> None:
    x = torch.randn(16, 6, 30, generator=chance())
    real = torch.full((16,), 18)
    x[:, :, 18:] = 1e6
    out = augment(x, real, ALL, chance())
    assert not out[:, :, 18:].any()
    assert out.abs().max() < 100
