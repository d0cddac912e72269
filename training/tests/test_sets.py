"""Sets of motion: different units agree after reading; bad files are named with the value that is wrong."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tiny import Tiny, Values, save_arrays

from loam_train import reading
from loam_train.errors import InputError


def change_meta(tiny: Tiny, **values: Any) -> None:
    path = tiny.root / "metric" / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def change_arrays(tiny: Tiny, change: Callable[[dict[str, Values]], Any]) -> None:
    path = tiny.root / "metric" / "data.npz"
    arrays = dict(np.load(path))
    change(arrays)
    save_arrays(path, arrays)


def refused(tiny: Tiny, name: str) -> str:
    """What is said of the set, which names the file."""
    with pytest.raises(InputError) as caught:
        tiny.set("metric")
    assert str(tiny.root / "metric" / name) in str(caught.value)
    return str(caught.value)


def test_sets_in_other_units_look_alike(motion: Tiny) -> None:
    metric, gravities = motion.load()
    for loaded in (metric, gravities):
        assert loaded.train.inputs.shape[1:] == (6, 60)
        still = loaded.train.inputs[loaded.train.classes == 0]
        np.testing.assert_allclose(still[:, 2].mean(), 9.81, atol=0.05)
    fast = [loaded.train.inputs[loaded.train.classes == k] for loaded, k in ((metric, 2), (gravities, 1))]
    np.testing.assert_allclose(fast[0].std((0, 2)), fast[1].std((0, 2)), atol=0.1)
    assert metric.groups is not None
    assert metric.groups.tolist() == [0, 1, 1]


def test_channels_in_another_order_are_sorted(motion: Tiny) -> None:
    before = motion.set("metric").test.inputs
    order = ["gyro_z", "acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y"]

    def turn(arrays: dict[str, Values]) -> None:
        for part in ("train", "test"):
            arrays[f"x_{part}"] = arrays[f"x_{part}"][:, :, [5, 0, 1, 2, 3, 4]]

    change_arrays(motion, turn)
    change_meta(motion, channels=order, units=["rad/s", "m/s^2", "m/s^2", "m/s^2", "rad/s", "rad/s"])
    np.testing.assert_array_equal(motion.set("metric").test.inputs, before)


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ({"units": ["ft/s^2"] * 3 + ["rad/s"] * 3}, "ft/s^2"),
        ({"units": ["m/s^2"] * 5}, "5 values for 6 channels"),
        ({"hz": "fast"}, "hz is 'fast'"),
        ({"hz": 0}, "hz is 0"),
        ({"hz": float("nan")}, "hz is nan"),
        ({"classes": ["still", "slow", "fast", "flying"]}, "'flying'"),
        ({"classes": ["still", "slow"]}, "'fast'"),
        ({"classes": ["still", 2]}, "classes is ['still', 2], expected a list of strings"),
        ({"channels": ["acc_x"]}, "['acc_x']"),
    ],
)
def test_bad_metadata_is_named(motion: Tiny, meta: dict[str, Any], said: str) -> None:
    change_meta(motion, **meta)
    assert said in refused(motion, "meta.json")


@pytest.mark.parametrize(
    "text",
    [b"", b"[1]", b"{", b'{"hz": "\xff"}', b"[" * 100_000, b"null"],
    ids=["none", "list", "half", "bytes", "deep", "null"],
)
def test_metadata_that_is_no_object_is_named(motion: Tiny, text: bytes) -> None:
    (motion.root / "metric" / "meta.json").write_bytes(text)
    assert "it is" in refused(motion, "meta.json")


@pytest.mark.parametrize(
    ("name", "index", "value", "said"),
    [
        ("x_train", (3, 7, 1), np.nan, "x_train[3, 7], acc_y, is nan"),
        ("x_test", (2, 0, 0), 9000.0, "x_test[2, 0], acc_x, is 9000.0: beyond 400.0 m/s^2 (unit m/s^2)"),
        ("x_test", (1, 2, 5), np.inf, "x_test[1, 2], gyro_z, is inf"),
        ("y_train", 4, 3, "y_train[4] is 3, expected 0 to 2"),
        ("y_test", 0, -1, "y_test[0] is -1, expected 0 to 2"),
    ],
)
def test_bad_values_are_named(motion: Tiny, name: str, index: Any, value: float, said: str) -> None:
    change_arrays(motion, lambda arrays: arrays[name].__setitem__(index, value))
    assert said in refused(motion, "data.npz")


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("x_train", np.zeros((36, 60, 6), np.int16), "x_train is int16 [36, 60, 6], expected float [windows"),
        ("x_train", np.full((2, 3, 6), "far"), "x_train is <U3 [2, 3, 6], expected float"),
        ("x_train", np.zeros((0, 60, 6), np.float16), "x_train is float16 [0, 60, 6], expected float"),
        ("x_train", np.zeros((36, 60, 5), np.float16), "x_train has shape [36, 60, 5]"),
        (
            "x_train",
            np.zeros((1, 20_001, 6), np.float16),
            "x_train has shape [1, 20001, 6], expected [windows, 2 to 20000",
        ),
        ("y_train", np.zeros(36), "y_train is float64 [36], expected int or uint [windows]"),
        ("y_train", np.zeros(35, int), "y_train has shape [35], expected [36]"),
        ("length_test", np.full(18, 61), "length_test[0] is 61, expected 2 to 60"),
    ],
)
def test_arrays_of_another_kind_are_named(motion: Tiny, name: str, values: Values, said: str) -> None:
    change_arrays(motion, lambda arrays: arrays.__setitem__(name, values))
    assert said in refused(motion, "data.npz")


def test_an_array_that_is_missing_is_named(motion: Tiny) -> None:
    change_arrays(motion, lambda arrays: arrays.pop("y_test"))
    assert "y_test is missing" in refused(motion, "data.npz")


def test_missing_and_broken_files_are_named(motion: Tiny) -> None:
    path = motion.root / "metric" / "data.npz"
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 0xFF
    for content in (b"not an archive", whole[: len(whole) // 2], bytes(flipped), b""):
        path.write_bytes(content)
        refused(motion, "data.npz")
    path.unlink()
    refused(motion, "data.npz")


def test_arrays_that_unpack_to_too_much_are_refused(motion: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_ARRAY", 1 << 20)
    path = motion.root / "metric" / "data.npz"
    np.savez_compressed(path, x_train=np.zeros((1 << 20, 1, 6), np.float16))
    assert path.stat().st_size < 100_000
    assert "x_train has 12583040 bytes, at most 1048576" in refused(motion, "data.npz")


def test_arrays_of_objects_and_headers_that_lie_are_refused(motion: Tiny) -> None:
    path = motion.root / "metric" / "data.npz"
    np.savez(path, x_train=np.array([{}], object))
    assert "allow_pickle=False" in refused(motion, "data.npz")
    header = io.BytesIO()
    shape = {"descr": "<f2", "fortran_order": False, "shape": (1 << 50, 1, 6)}
    np.lib.format.write_array_header_1_0(header, shape)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train.npy", header.getvalue())
    refused(motion, "data.npz")
