"""The whole command on tiny sets: training, resuming, exporting, scoring."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import DIM, Tiny, embed, save_arrays

from loam_train import places
from loam_train.errors import InputError
from loam_train.held import held
from loam_train.towers import anchors, command, component, loop, network, score
from loam_train.towers.anchors import Anchors
from loam_train.towers.batches import Batch, Batches
from loam_train.towers.modality import open_modality

STOP = 12
# The recogniser of speech is no tower of the shared space; test_speech_run.py looks at it.
SHIPPED = sorted(path.parent for path in (places.ROOT / "models" / "towers").glob("*/preprocessor_config.json"))


class Stopped(Exception):
    """As if the process had been killed."""


def trained(tiny: Tiny, out: Path) -> dict[str, Any]:
    return command.train(tiny.run, tiny.config, tiny.modality(), tiny.load(), embed, out.parent, out)


def prepared(tiny: Tiny) -> tuple[torch.nn.Module, Batches, Anchors]:
    """A fresh tower and what it is trained with."""
    data, modality = tiny.load(), tiny.modality()
    modality.measure(data)
    labels = [label for s in data for label in s.labels]
    aims = anchors.build(labels, tiny.run.texts, tiny.run.network.whitening, embed)
    torch.manual_seed(tiny.run.training.seed)
    config = network.config(tiny.run, modality.shape, DIM)
    tower = network.build(config, tiny.config, modality.max_parameters)
    return tower, Batches(data, aims, modality, tiny.run.training), aims


def test_end_to_end(any_run: Tiny, tmp_path: Path) -> None:
    out = tmp_path / "tower"
    record = trained(any_run, out)
    assert record["steps"] == 20
    assert {path.name for path in out.iterdir()} == {
        "config.json", "model.safetensors", "preprocessor_config.json", "training.json",
    }  # fmt: skip
    assert json.loads((out / "training.json").read_text()) == record
    assert (tmp_path / "curves" / f"{any_run.run.name}.png").stat().st_size > 1000
    for data in any_run.load():
        found = record["sets"][data.name]
        assert found["train"] == len(data.train)
        assert found["examples"] == len(data.test)
        assert found["classes"] == len(data.labels)
        assert found["accuracy"] > 1.5 * found["chance"]
        assert found["licence"] == "made here"
        assert ("coarse" in found) == (data.groups is not None)


def test_the_stored_tower_is_the_trained_one(any_run: Tiny, tmp_path: Path) -> None:
    tower, drawn, aims = prepared(any_run)
    loop.train(tower, drawn, aims.vectors, any_run.run, tmp_path / "tiny.pt")
    data, modality = any_run.load(), any_run.modality()
    modality.measure(data)
    config = network.config(any_run.run, modality.shape, DIM)
    component.write(tmp_path / "tower", tower, aims.transform, config, modality.preprocessing(), {})
    stored = component.read(tmp_path / "tower")
    assert stored.preprocessing == modality.preprocessing()
    again = open_modality(any_run.run, any_run.config, stored.preprocessing)
    split = data[0].test
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(tower(modality.prepared(split.inputs, split.extent))[0], dim=-1)
    found = score.embed(stored, again, split)
    assert torch.nn.functional.cosine_similarity(found, expected).min() > 0.9999


def test_weights_that_do_not_fit_are_named(motion: Tiny, tmp_path: Path) -> None:
    trained(motion, tmp_path / "tower")
    path = tmp_path / "tower" / "model.safetensors"
    whole, name = load_file(path), "stages.0.weight"
    without = {key: value for key, value in whole.items() if key != name}
    for tensors in (without, without | {name: whole[name][:4].contiguous()}):
        save_file(tensors, path)
        with pytest.raises(InputError, match=rf"(?s)model.safetensors: it does not fit config.json: .*{name}"):
            component.read(tmp_path / "tower")
    mean = whole["anchor.mean"]
    for tensors, said in (
        ({key: value for key, value in whole.items() if key != "anchor.mean"}, "anchor.mean is missing"),
        (whole | {"anchor.mean": mean[:5].contiguous()}, r"anchor.mean has shape \[5\], expected \[24\]"),
        (whole | {"anchor.whitening": mean.clone()}, r"anchor.whitening has shape \[24\], expected \[24, 24\]"),
        (whole | {name: whole[name] * torch.inf}, f"{name} holds a value that is not finite"),
    ):
        save_file(tensors, path)
        with pytest.raises(InputError, match=f"model.safetensors: {said}"):
            component.read(tmp_path / "tower")
    path.write_bytes(b"half a file")
    with pytest.raises(InputError, match="model.safetensors"):
        component.read(tmp_path / "tower")


def test_a_killed_run_goes_on_as_if_never_stopped(
    any_run: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = any_run.run
    whole, drawn, aims = prepared(any_run)
    expected = loop.train(whole, drawn, aims.vectors, run, tmp_path / "whole.pt")

    draw = Batches.draw

    def killed(self: Batches, step: int) -> Batch:
        if step == STOP:
            raise Stopped
        return draw(self, step)

    path = tmp_path / "parts.pt"
    first, drawn, aims = prepared(any_run)
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(Batches, "draw", killed)
        loop.train(first, drawn, aims.vectors, run, path)
    second, drawn, aims = prepared(any_run)
    resumed = loop.train(second, drawn, aims.vectors, run, path)
    assert resumed.step == expected.step == 20
    assert resumed.losses == expected.losses
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_a_finished_run_trains_no_more_and_a_longer_one_goes_on(motion: Tiny, tmp_path: Path) -> None:
    path, run = tmp_path / "tiny.pt", motion.run
    tower, drawn, aims = prepared(motion)
    first = loop.train(tower, drawn, aims.vectors, run, path)
    assert loop.train(tower, drawn, aims.vectors, run, path).losses == first.losses
    longer = dataclasses.replace(run, training=dataclasses.replace(run.training, steps=25))
    assert loop.train(tower, drawn, aims.vectors, longer, path).step == 25


def test_a_checkpoint_of_other_settings_is_refused(motion: Tiny, tmp_path: Path) -> None:
    path, run = tmp_path / "tiny.pt", motion.run
    tower, drawn, aims = prepared(motion)
    loop.train(tower, drawn, aims.vectors, run, path)
    other = dataclasses.replace(run, training=dataclasses.replace(run.training, learning_rate=0.5))
    with pytest.raises(InputError, match=r"tiny.pt: it is a checkpoint of other settings"):
        loop.train(tower, drawn, aims.vectors, other, path)
    path.write_bytes(b"half a file")
    with pytest.raises(InputError, match=r"tiny.pt: no checkpoint can be read"):
        loop.train(tower, drawn, aims.vectors, run, path)


def test_labels_of_other_sets_are_no_mistake(motion: Tiny) -> None:
    tower, drawn, aims = prepared(motion)
    batch = drawn.draw(0)
    assert batch.own.gather(1, batch.target[:, None]).all()
    moved = aims.vectors.clone()
    moved[~batch.own[0]] = aims.vectors[batch.target[0]]
    tower.eval()
    row = Batch(batch.x[:1], batch.target[:1], batch.own[:1], batch.other[:1])
    torch.testing.assert_close(loop.loss(tower, row, aims.vectors, 30.0), loop.loss(tower, row, moved, 30.0))


def test_heavier_sets_are_drawn_more_often(motion: Tiny) -> None:
    data, modality = motion.load(), motion.modality()
    aims = anchors.build([label for s in data for label in s.labels], motion.run.texts, 0.0, embed)
    heavy = [dataclasses.replace(data[0], source=dataclasses.replace(data[0].source, weight=9.0)), data[1]]
    training = dataclasses.replace(motion.run.training, balance=0.0, batch=1000)

    def share(sets: list[Any]) -> float:
        own = Batches(sets, aims, modality, training).draw(0).own
        return float((own.sum(1) == 3).float().mean())

    assert 0.4 < share(data) < 0.6
    assert 0.85 < share(heavy) < 0.95


def test_mixed_batches_are_made_of_two_inputs_and_scored_against_both(motion: Tiny) -> None:
    data, modality = motion.load(), motion.modality()
    aims = anchors.build([label for s in data for label in s.labels], motion.run.texts, 0.0, embed)
    plain = Batches(data, aims, modality, motion.run.training).draw(3)
    mixed = Batches(data, aims, modality, dataclasses.replace(motion.run.training, mixup=1.0)).draw(3)
    assert plain.share == 1.0
    assert 0 < mixed.share < 1
    torch.testing.assert_close(mixed.x, mixed.share * plain.x + (1 - mixed.share) * plain.x[mixed.other])
    tower = network.build(network.config(motion.run, modality.shape, DIM), motion.config, 10**6).eval()

    def against(rows: torch.Tensor) -> torch.Tensor:
        one = dataclasses.replace(mixed, share=1.0, target=mixed.target[rows], own=mixed.own[rows])
        return loop.loss(tower, one, aims.vectors, 30.0)

    whole, swapped = against(torch.arange(len(mixed.x))), against(mixed.other)
    expected = mixed.share * whole + (1 - mixed.share) * swapped
    torch.testing.assert_close(loop.loss(tower, mixed, aims.vectors, 30.0), expected)


def test_whole_people_are_kept_back(motion: Tiny) -> None:
    path = motion.root / "metric" / "data.npz"
    arrays = dict(np.load(path))
    people = np.arange(len(arrays["y_train"])) % 10
    save_arrays(path, arrays | {"subject_train": people})
    run = dataclasses.replace(motion.run, training=dataclasses.replace(motion.run.training, hold=0.2))
    metric, other = command.load(run, motion.modality(), motion.root)
    assert metric.valid is not None
    gone, left = set(metric.valid.origins), set(metric.train.origins)
    assert len(gone) == 2
    assert not gone & left
    assert len(metric.valid) + len(metric.train) == len(people)
    # Nobody is named there: rows are kept back as they are.
    assert other.valid is not None
    assert len(other.valid) == round(0.2 * (len(other.valid) + len(other.train)))


def test_few_people_are_not_kept_back_whole() -> None:
    back = held(["one", "two"] * 50, 0.1)
    assert back.sum() == 10
    assert back[::2].any()
    assert back[1::2].any()
    assert not held(["one", "two"], 0.0).any()


def test_the_clock_ends_a_run_by_steps_or_minutes(motion: Tiny) -> None:
    training = motion.run.training
    assert loop.Progress(seconds=150.0, losses=[1.0] * 4).share(training) == 0.5
    assert loop.Progress(seconds=1.0, losses=[1.0] * 15).share(training) == 0.75


def test_products_in_bfloat16_leave_weights_in_fp32(sounds: Tiny, tmp_path: Path) -> None:
    run = dataclasses.replace(
        sounds.run, training=dataclasses.replace(sounds.run.training, precision="bfloat16", steps=3)
    )
    tower, drawn, aims = prepared(sounds)
    losses = loop.train(tower, drawn, aims.vectors, run, tmp_path / "tiny.pt").losses
    assert all(0 < one < 20 for one in losses)
    assert {p.dtype for p in tower.parameters()} == {torch.float32}


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda p: p.name)
def test_shipped_towers_are_whole_and_name_their_sets(folder: Path) -> None:
    stored = component.read(folder)
    record = json.loads((folder / "training.json").read_text())
    assert network.parameters(stored.tower) == record["parameters"]
    assert all(entry["licence"] for entry in record["sets"].values())
