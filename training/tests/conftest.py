"""Tiny motion sets in the published format, and a text encoder that needs no files."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from loam_train import run as runs  # noqa: E402  (the path has to be set first)
from loam_train.run import Run  # noqa: E402

DIM = 24
FREQUENCIES = {"still": 0.0, "slow": 0.7, "fast": 2.4}
"""Of each class's movement, Hz."""

CONFIG = """
name = "tiny"
[window]
rate = 20.0
steps = 60
[texts]
deployed = "a person is {}."
others = ["{}", "the motion of {}"]
[network]
pooling = "mean_max"
logit_scale = 30.0
stages = [
  { type = "conv", outputs = 8, kernel = [5], stride = [2], padding = [2], bias = false },
  { type = "batch_norm" }, { type = "activation", kind = "relu" },
]
[augmentation]
rotation = 0.2
scale = 0.1
jitter = 0.02
speed = 0.1
shift = 0.1
[training]
seed = 3
steps = 20
minutes = 5.0
batch = 16
balance = 0.5
learning_rate = 1e-2
weight_decay = 0.01
warmup_steps = 2
clip = 1.0
checkpoint_steps = 5
[[sets]]
folder = "metric"
licence = "made here"
labels = { still = "standing still", slow = "waving slowly", fast = "waving quickly" }
coarse = { moving = ["slow", "fast"] }
[[sets]]
folder = "gravities"
licence = "made here"
labels = { still = "standing still", fast = "shaking" }
frame = "ios"
"""


def embed(sentences: Sequence[str]) -> torch.Tensor:
    """Unit vectors that follow from the words alone; all lean one way, as those of a sentence encoder do."""
    rows = []
    for sentence in sentences:
        words = [int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") for word in sentence.split()]
        drawn = [torch.randn(DIM, generator=torch.Generator().manual_seed(word)) for word in words]
        rows.append(torch.stack(drawn).sum(0) + 3.0)
    return torch.nn.functional.normalize(torch.stack(rows), dim=-1)


def movement(kind: str, rate: float, seconds: float, chance: np.random.Generator) -> np.ndarray:
    """`[samples, 6]` in m/s^2 and rad/s, Android's frame: gravity in z, a swing along x and about y."""
    time = np.arange(round(rate * seconds)) / rate
    swing = np.sin(2 * np.pi * (FREQUENCIES[kind] * time + chance.random()))
    out = chance.normal(0, 0.05, (len(time), 6))
    out[:, 2] += 9.806_65
    if kind != "still":
        out[:, 0] += 3 * swing
        out[:, 4] += 1.5 * swing
    return out


def write_set(folder: Path, classes: list[str], rate: float, units: list[str], factors: list[float]) -> None:
    """A set of 12 training and 6 test windows a class, `factors` taking the common units to the set's own."""
    chance = np.random.default_rng(len(classes))
    arrays: dict[str, np.ndarray] = {}
    for part, count in (("train", 12), ("test", 6)):
        rows = [movement(name, rate, 3.0, chance) * factors for name in classes for _ in range(count)]
        arrays[f"x_{part}"] = np.stack(rows).astype(np.float16)
        arrays[f"y_{part}"] = np.repeat(np.arange(len(classes)), count)
    folder.mkdir(parents=True)
    np.savez(folder / "data.npz", allow_pickle=False, **arrays)
    channels = ["acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z"]
    meta = {"hz": rate, "classes": classes, "channels": channels, "units": units}
    (folder / "meta.json").write_text(json.dumps(meta))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two sets: one in the common layout, one in g and deg/s at 50 Hz with iOS's sign."""
    folder = tmp_path / "sets"
    write_set(folder / "metric", list(FREQUENCIES), 20.0, ["m/s^2"] * 3 + ["rad/s"] * 3, [1.0] * 6)
    factors = [-1 / 9.806_65] * 3 + [180 / np.pi] * 3
    write_set(folder / "gravities", ["still", "fast"], 50.0, ["g"] * 3 + ["deg/s"] * 3, factors)
    return folder


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The run of both sets."""
    path = tmp_path / "tiny.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def run(config: Path) -> Run:
    return runs.read(config)
