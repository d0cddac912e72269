"""Configuration files: what is wrong is named with file, key and value."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import tiny as tinies
from tiny import Tiny

from loam_train import places
from loam_train.__main__ import main
from loam_train.errors import InputError
from loam_train.towers import network
from loam_train.towers import run as runs
from loam_train.towers.modality import open_modality


def change(tiny: Tiny, old: str, new: str) -> None:
    before = tiny.config.read_text()
    assert old in before
    tiny.config.write_text(before.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("batch = 16", "batch = 16\nbatches = 1", "training.batches is unknown"),
        ("batch = 16", "", "training.batch is missing"),
        ("batch = 16", 'batch = "16"', "training.batch is '16', expected int"),
        ("batch = 16", "batch = 0", "training.batch is 0, expected a positive number"),
        ("minutes = 5.0", "minutes = nan", "training.minutes is nan, expected a positive number"),
        ("balance = 0.5", "balance = nan", "training.balance is nan, expected 0 to 1"),
        ("batch = 16", 'batch = 16\nprecision = "half"', "training.precision is 'half', expected float32 or bfloat16"),
        ("logit_scale = 30.0", "logit_scale = 30.0\nwhitening = 2", "network.whitening is 2.0, expected 0 to 1"),
        ('modality = "imu"', 'modality = "smell"', "modality is 'smell', expected image or imu or sound"),
        ('"the motion of {}"', '"the motion"', "texts is 'the motion', expected one '{}'"),
        ('frame = "ios"', 'frame = "ned"', "gravities: frame is 'ned', expected android or ios"),
        ('frame = "ios"', "mirror = 1.5", "gravities: mirror is 1.5, expected 0 to 1"),
        ('frame = "ios"', "weight = 0", "gravities: weight is 0.0, expected a positive number"),
        ('["slow", "fast"]', '["quick"]', "metric: coarse.moving is 'quick'"),
        ('"shaking"', '"standing still"', "gravities: labels is"),
        ('"gravities"', '"other/metric"', "sets is ['metric', 'metric'], expected each name once"),
        ("[window]", "[window", "line 4"),
    ],
)
def test_mistakes_are_named(motion: Tiny, old: str, new: str, said: str) -> None:
    change(motion, old, new)
    with pytest.raises(InputError) as caught:
        runs.read(motion.config)
    assert str(motion.config) in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("imu", "rate = 20.0", "rate = 0.5", "window.rate is 0.5, expected 1 to 10000 Hz"),
        ("imu", "steps = 60", "steps = 1", "window.steps is 1, expected 2 to 20000"),
        ("imu", "steps = 60", "sides = 60", "window.sides is unknown, known are rate, steps"),
        ("image", "side = 16", "side = 4", "window.side is 4, expected 8 to 1024"),
        ("image", "std = 0.27", "std = 0", "window.std is 0.0, expected a share of white"),
        ("image", "erase = 0.2", "erase = -1", "augmentation.erase is -1.0, expected 0 or more"),
        ("sound", "frames = 32", "frames = 65", "window has frames 65 and kept 64, expected 8 <= frames <= kept"),
        ("sound", "frames = 32", "frames = 33", "window has frames 33 and kept 64, expected an even difference"),
        ("sound", "pitch = 1", "pitch = 1.5", "augmentation.pitch is 1.5, expected int"),
    ],
)
def test_mistakes_in_a_modalitys_own_terms_are_named(
    tmp_path_factory: pytest.TempPathFactory, name: str, old: str, new: str, said: str
) -> None:
    tiny = tinies.make(name, tmp_path_factory.mktemp(name))
    change(tiny, old, new)
    with pytest.raises(InputError) as caught:
        open_modality(runs.read(tiny.config), tiny.config)
    assert str(tiny.config) in str(caught.value)
    assert said in str(caught.value)


def test_constants_of_a_stored_tower_are_checked(motion: Tiny) -> None:
    for std in (None, [1.0], [1.0] * 5 + [0.0], ["1"] * 6):
        with pytest.raises(InputError, match="std of the stored preprocessing"):
            open_modality(motion.run, motion.config, {"std": std})


def test_more_time_is_the_same_run_and_all_else_another(any_run: Tiny) -> None:
    run = any_run.run
    longer = dataclasses.replace(run, training=dataclasses.replace(run.training, steps=900, minutes=9.0))
    other = dataclasses.replace(run, training=dataclasses.replace(run.training, seed=4))
    assert longer.digest() == run.digest() != other.digest()


@pytest.mark.parametrize("path", sorted((places.ROOT / "training/configs/towers").glob("*.toml")), ids=lambda p: p.stem)
def test_shipped_configurations_are_sound(path: Path) -> None:
    run = runs.read(path)
    assert run.name == path.stem == run.modality
    modality = open_modality(run, path)
    tower = network.build(network.config(run, modality.shape, 384), path, modality.max_parameters)
    assert network.parameters(tower) > 100_000


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ('{ type = "pool" }', "stage type 'pool' is unknown"),
        ('{ type = "conv", kernel = [3] }', "'outputs' is missing or unknown"),
        ('{ type = "conv", outputs = 8, kernel = [99] }', "stages: "),
        ('{ type = "conv", outputs = 4000, kernel = [99], padding = [49] }', "parameters, at most 2,000,000"),
        # 2.4 GB of weights, were they made before they are counted.
        ('{ type = "conv", outputs = 1000000, kernel = [99], padding = [49] }', "parameters, at most 2,000,000"),
    ],
)
def test_networks_that_cannot_be_built_are_named(motion: Tiny, stage: str, said: str) -> None:
    text = motion.config.read_text()
    begin, end = text.index("  { type"), text.index("]\n[augmentation]")
    motion.config.write_text(text[:begin] + stage + ",\n" + text[end:])
    run, modality = runs.read(motion.config), motion.modality()
    with pytest.raises(InputError) as caught:
        network.build(network.config(run, modality.shape, 24), motion.config, modality.max_parameters)
    assert f"{motion.config}: stages" in str(caught.value)
    assert said in str(caught.value)


def test_a_basic_block_is_written_out() -> None:
    same = network.expanded([{"type": "basic_block", "outputs": 8}], [8, 16, 16])
    other = network.expanded([{"type": "basic_block", "outputs": 16, "stride": 2}], [8, 16, 16])
    assert same[0]["shortcut"] == []
    assert other[0]["shortcut"][0]["stride"] == [2, 2]
    assert [stage["type"] for stage in other[0]["body"]] == ["conv", "batch_norm", "activation", "conv", "batch_norm"]


def test_the_command_says_what_is_wrong_and_exits_with_2(
    motion: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    change(motion, "seed = 3", "seed = 3.5")
    monkeypatch.setattr("sys.argv", ["loam_train", "towers", str(motion.config)])
    assert main() == 2
    assert f"loam_train: {motion.config}: training.seed is 3.5, expected int" in capsys.readouterr().err
