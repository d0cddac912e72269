"""The whole command on tiny sets: training, resuming, exporting, scoring."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from conftest import DIM, embed
from safetensors.torch import load_file, save_file

from loam_train import anchors, batches, component, loop, network, places, score, towers
from loam_train.batches import Batches
from loam_train.errors import InputError
from loam_train.run import Run

STOP = 12


class Stopped(Exception):
    """As if the process had been killed."""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def prepared(run: Run, root: Path) -> tuple[torch.nn.Module, Batches, torch.Tensor]:
    data = towers.load(run, root)
    aims = anchors.build([label for s in data for label in s.labels], run.texts, embed)
    torch.manual_seed(run.training.seed)
    tower = network.build(network.config(run, DIM), Path("tiny.toml"))
    return tower, Batches(data, aims, batches.measure(data), run.training), aims.vectors


def test_end_to_end(run: Run, config: Path, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "imu"
    record = towers.train(run, config, towers.load(run, root), embed, tmp_path, out)
    assert record["steps"] == 20
    assert {path.name for path in out.iterdir()} == {
        "config.json", "model.safetensors", "preprocessor_config.json", "training.json",
    }  # fmt: skip
    assert json.loads((out / "training.json").read_text()) == record
    assert (tmp_path / "curves" / "tiny.png").stat().st_size > 1000
    for name, classes in (("metric", 3), ("gravities", 2)):
        found = record["sets"][name]
        assert found["windows"] == 6 * classes
        assert found["accuracy"] > 1.5 * found["chance"]
        assert found["licence"] == "made here"
    assert "coarse" in record["sets"]["metric"] and "coarse" not in record["sets"]["gravities"]


def test_the_stored_tower_is_the_trained_one(run: Run, root: Path, tmp_path: Path) -> None:
    tower, drawn, vectors = prepared(run, root)
    loop.train(tower, drawn, vectors, run, tmp_path / "tiny.pt")
    scale, mean = batches.Scale(5.0, 0.5), torch.linspace(-1, 1, DIM)
    component.write(tmp_path / "imu", tower, mean, scale, run, {})
    stored = component.read(tmp_path / "imu")
    assert (stored.scale, stored.window) == (scale, run.window)
    torch.testing.assert_close(stored.mean, mean)
    windows = towers.load(run, root)[0].test.windows
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(tower(scale.apply(windows))[0], dim=-1)
    assert torch.nn.functional.cosine_similarity(score.embed(stored, windows), expected).min() > 0.9999


def test_weights_that_do_not_fit_are_named(run: Run, config: Path, root: Path, tmp_path: Path) -> None:
    towers.train(run, config, towers.load(run, root), embed, tmp_path, tmp_path / "imu")
    path = tmp_path / "imu" / "model.safetensors"
    whole, name = load_file(path), "stages.0.weight"
    without = {key: value for key, value in whole.items() if key != name}
    for tensors in (without, without | {name: whole[name][:4].contiguous()}):
        save_file(tensors, path)
        with pytest.raises(InputError, match=rf"(?s)model.safetensors: it does not fit config.json: .*{name}"):
            component.read(tmp_path / "imu")
    path.write_bytes(b"half a file")
    with pytest.raises(InputError, match="model.safetensors"):
        component.read(tmp_path / "imu")


def test_a_killed_run_goes_on_as_if_never_stopped(
    run: Run, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, drawn, vectors = prepared(run, root)
    expected = loop.train(whole, drawn, vectors, run, tmp_path / "whole.pt")

    draw = Batches.draw

    def killed(self: Batches, step: int, by: object) -> object:
        if step == STOP:
            raise Stopped
        return draw(self, step, by)  # type: ignore[arg-type]

    path = tmp_path / "parts.pt"
    first, drawn, vectors = prepared(run, root)
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(Batches, "draw", killed)
        loop.train(first, drawn, vectors, run, path)
    second, drawn, vectors = prepared(run, root)
    resumed = loop.train(second, drawn, vectors, run, path)
    assert resumed.step == expected.step == 20
    assert resumed.losses == expected.losses
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_a_finished_run_trains_no_more_and_a_longer_one_goes_on(run: Run, root: Path, tmp_path: Path) -> None:
    path = tmp_path / "tiny.pt"
    tower, drawn, vectors = prepared(run, root)
    first = loop.train(tower, drawn, vectors, run, path)
    assert loop.train(tower, drawn, vectors, run, path).losses == first.losses
    longer = dataclasses.replace(run, training=dataclasses.replace(run.training, steps=25))
    assert loop.train(tower, drawn, vectors, longer, path).step == 25


def test_a_checkpoint_of_other_settings_is_refused(run: Run, root: Path, tmp_path: Path) -> None:
    path = tmp_path / "tiny.pt"
    tower, drawn, vectors = prepared(run, root)
    loop.train(tower, drawn, vectors, run, path)
    other = dataclasses.replace(run, training=dataclasses.replace(run.training, learning_rate=0.5))
    with pytest.raises(InputError, match=r"tiny.pt: it is a checkpoint of other settings"):
        loop.train(tower, drawn, vectors, other, path)
    path.write_bytes(b"half a file")
    with pytest.raises(InputError, match=r"tiny.pt: no checkpoint can be read"):
        loop.train(tower, drawn, vectors, run, path)


def test_labels_of_other_sets_are_no_mistake(run: Run, root: Path) -> None:
    tower, drawn, vectors = prepared(run, root)
    x, target, own = drawn.draw(0, run.augmentation)
    assert own.gather(1, target[:, None]).all()
    moved = vectors.clone()
    moved[~own[0]] = vectors[target[0]]
    tower.eval()
    row = (x[:1], target[:1], own[:1])
    torch.testing.assert_close(loop.loss(tower, row, vectors, 30.0), loop.loss(tower, row, moved, 30.0))


def test_the_clock_ends_a_run_by_steps_or_minutes(run: Run) -> None:
    assert loop.Progress(seconds=150.0, losses=[1.0] * 4).share(run.training) == 0.5
    assert loop.Progress(seconds=1.0, losses=[1.0] * 15).share(run.training) == 0.75


@pytest.mark.parametrize("folder", sorted((places.ROOT / "models" / "towers").glob("*/")), ids=lambda p: p.name)
def test_shipped_towers_are_whole_and_name_their_sets(folder: Path) -> None:
    stored = component.read(folder)
    record = json.loads((folder / "training.json").read_text())
    assert network.parameters(stored.tower) == record["parameters"]
    assert all(entry["licence"] for entry in record["sets"].values())
