"""Sets of different units agree after reading; bad files are named with the value that is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loam_train import sets
from loam_train.errors import InputError
from loam_train.run import Run


def change_meta(root: Path, **values: Any) -> None:
    path = root / "metric" / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def change_arrays(root: Path, name: str, index: Any, value: float) -> None:
    path = root / "metric" / "data.npz"
    arrays = dict(np.load(path))
    arrays[name][index] = value
    np.savez(path, allow_pickle=False, **arrays)


def test_sets_in_other_units_look_alike(run: Run, root: Path) -> None:
    metric, gravities = (sets.load(source, run.window, root) for source in run.sets)
    for loaded in (metric, gravities):
        assert loaded.train.windows.shape[1:] == (6, 60)
        still = loaded.train.windows[loaded.train.classes == 0]
        np.testing.assert_allclose(still[:, 2].mean(), 9.81, atol=0.05)
    fast = [loaded.train.windows[loaded.train.classes == k] for loaded, k in ((metric, 2), (gravities, 1))]
    np.testing.assert_allclose(fast[0].std((0, 2)), fast[1].std((0, 2)), atol=0.1)
    assert metric.groups is not None and metric.groups.tolist() == [0, 1, 1]


def test_channels_in_another_order_are_sorted(run: Run, root: Path) -> None:
    order = ["gyro_z", "acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y"]
    path = root / "metric" / "data.npz"
    before = sets.load(run.sets[0], run.window, root).test.windows
    arrays = dict(np.load(path))
    for part in ("train", "test"):
        arrays[f"x_{part}"] = arrays[f"x_{part}"][:, :, [5, 0, 1, 2, 3, 4]]
    np.savez(path, allow_pickle=False, **arrays)
    change_meta(root, channels=order, units=["rad/s", "m/s^2", "m/s^2", "m/s^2", "rad/s", "rad/s"])
    np.testing.assert_array_equal(sets.load(run.sets[0], run.window, root).test.windows, before)


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ({"units": ["ft/s^2"] * 3 + ["rad/s"] * 3}, "ft/s^2"),
        ({"units": ["m/s^2"] * 5}, "5 values for 6 channels"),
        ({"hz": "fast"}, "hz is 'fast'"),
        ({"hz": 0}, "hz is 0"),
        ({"classes": ["still", "slow", "fast", "flying"]}, "'flying'"),
        ({"classes": ["still", "slow"]}, "'fast'"),
        ({"channels": ["acc_x"]}, "['acc_x']"),
    ],
)
def test_bad_metadata_is_named(run: Run, root: Path, meta: dict[str, Any], said: str) -> None:
    change_meta(root, **meta)
    with pytest.raises(InputError) as caught:
        sets.load(run.sets[0], run.window, root)
    assert str(root / "metric" / "meta.json") in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "index", "value", "said"),
    [
        ("x_train", (3, 7, 1), np.nan, "x_train[3, 7], acc_y, is nan"),
        ("x_test", (2, 0, 0), 9000.0, "x_test[2, 0], acc_x, is 9000.0: beyond 400.0 m/s^2 (unit m/s^2)"),
        ("y_train", 4, 3, "y_train[4] is 3, expected 0 to 2"),
    ],
)
def test_bad_values_are_named(run: Run, root: Path, name: str, index: Any, value: float, said: str) -> None:
    change_arrays(root, name, index, value)
    with pytest.raises(InputError) as caught:
        sets.load(run.sets[0], run.window, root)
    assert str(root / "metric" / "data.npz") in str(caught.value)
    assert said in str(caught.value)


def test_missing_and_broken_files_are_named(run: Run, root: Path) -> None:
    path = root / "metric" / "data.npz"
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 0xFF
    for content in (b"not an archive", whole[: len(whole) // 2], bytes(flipped)):
        path.write_bytes(content)
        with pytest.raises(InputError, match="data.npz"):
            sets.load(run.sets[0], run.window, root)
    path.unlink()
    with pytest.raises(InputError, match="data.npz"):
        sets.load(run.sets[0], run.window, root)
