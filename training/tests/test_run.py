"""Configuration files: what is wrong is named with file, key and value."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from loam_train import network, places
from loam_train import run as runs
from loam_train.__main__ import main
from loam_train.errors import InputError
from loam_train.run import Run


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("batch = 16", "batch = 16\nbatches = 1", "training.batches is unknown"),
        ("batch = 16", "", "training.batch is missing"),
        ("batch = 16", 'batch = "16"', "training.batch is '16', expected int"),
        ("batch = 16", "batch = 0", "training.batch is 0, expected a positive number"),
        ("rate = 20.0", "rate = 0.5", "window.rate is 0.5, expected 1 to 10000 Hz"),
        ('"the motion of {}"', '"the motion"', "texts is 'the motion', expected one '{}'"),
        ('frame = "ios"', 'frame = "ned"', "gravities: frame is 'ned', expected android or ios"),
        ('["slow", "fast"]', '["quick"]', "metric: coarse.moving is 'quick'"),
        ('"shaking"', '"standing still"', "gravities: labels is"),
        ("[window]", "[window", "line 3"),
    ],
)
def test_mistakes_are_named(config: Path, old: str, new: str, said: str) -> None:
    config.write_text(config.read_text().replace(old, new))
    with pytest.raises(InputError) as caught:
        runs.read(config)
    assert str(config) in str(caught.value)
    assert said in str(caught.value)


def test_more_time_is_the_same_run_and_all_else_another(run: Run) -> None:
    longer = dataclasses.replace(run, training=dataclasses.replace(run.training, steps=900, minutes=9.0))
    other = dataclasses.replace(run, training=dataclasses.replace(run.training, seed=4))
    assert longer.digest() == run.digest() != other.digest()


@pytest.mark.parametrize("path", sorted((places.ROOT / "training/configs/towers").glob("*.toml")), ids=lambda p: p.stem)
def test_shipped_configurations_are_sound(path: Path) -> None:
    run = runs.read(path)
    assert run.name == path.stem
    assert network.parameters(network.build(network.config(run, 384), path)) <= 500_000


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ('{ type = "pool" }', "stage type 'pool' is unknown"),
        ('{ type = "conv", kernel = [3] }', "'outputs' is missing or unknown"),
        ('{ type = "conv", outputs = 8, kernel = [99] }', "Kernel size"),
        ('{ type = "conv", outputs = 4000, kernel = [99], padding = [49] }', "parameters, at most 2,000,000"),
    ],
)
def test_networks_that_cannot_be_built_are_named(config: Path, stage: str, said: str) -> None:
    begin, end = config.read_text().index("  { type"), config.read_text().index("]\n[augmentation]")
    config.write_text(config.read_text()[:begin] + stage + ",\n" + config.read_text()[end:])
    with pytest.raises(InputError) as caught:
        network.build(network.config(runs.read(config), 24), config)
    assert f"{config}: stages" in str(caught.value)
    assert said in str(caught.value)


def test_the_command_says_what_is_wrong_and_exits_with_2(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(config.read_text().replace("seed = 3", "seed = 3.5"))
    monkeypatch.setattr("sys.argv", ["loam_train", "towers", str(config)])
    assert main() == 2
    assert f"loam_train: {config}: training.seed is 3.5, expected int" in capsys.readouterr().err
