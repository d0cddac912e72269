"""Adapters on towers of all modalities: from a published set to a package, on towers of a second's training."""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from tiny import Tiny

from loam_train.adapter import cli, encoder, features, likeness, package
from loam_train.adapter.request import Request
from loam_train.data import open_data
from loam_train.data.media import Media
from loam_train.data.review import review
from loam_train.errors import InputError
from loam_train.towers import command

SETS = {"imu": "metric", "image": "grey", "sound": "tones"}


class Sentences:
    """A text encoder that needs no foundation."""

    def __init__(self, folder: Path) -> None:
        self.embed = tiny.embed


@pytest.fixture
def foundation(any_run: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A foundation whose only component is a tower of the tiny run."""
    pytest.importorskip("loam")
    from loam_train.towers import engine

    monkeypatch.setenv("LOAM_TRAINING_CACHE", str(tmp_path / "work"))
    monkeypatch.setattr(engine, "Engine", Sentences)
    monkeypatch.setattr(features, "RUNS", any_run.config.parent)
    name, folder = any_run.run.modality, tmp_path / "foundation"
    modality = any_run.modality()
    command.train(any_run.run, any_run.config, modality, any_run.load(), tiny.embed, tmp_path / "work", folder / name)
    digest = hashlib.sha256((folder / name / "model.safetensors").read_bytes()).hexdigest()
    files = [{"path": f"{name}/model.safetensors", "bytes": 0, "sha256": digest}]
    entry = {"name": name, "kind": f"{name}-encoder", "format": "hugging-face", "entry": name, "files": files}
    (folder / "foundation.json").write_text(json.dumps({"components": [entry]}))
    return folder


def train(foundation: Path, data: Path, component: str, *arguments: Any) -> Path:
    parser = argparse.ArgumentParser()
    cli.add_commands(parser.add_subparsers(required=True))
    out = data.parent / "made.safetensors"
    given = [
        "adapter",
        data,
        "--on",
        component,
        "--foundation",
        foundation,
        "--minutes",
        "0.2",
        "--out",
        out,
        *arguments,
    ]
    chosen = parser.parse_args([str(one) for one in given])
    assert chosen.run(chosen) == 0
    return out


def folder_of(any_run: Tiny, out: Path) -> Path:
    name = SETS[any_run.run.modality]
    Media(name, "classify", "made here", "made here").write(name, any_run.root, out / name)
    return out / name


def test_a_set_becomes_a_package(
    any_run: Tiny, foundation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "LEAST_STEPS", 60)
    component = any_run.run.modality
    path = train(foundation, folder_of(any_run, tmp_path), component)
    tensors, config, task = package.read(path)
    assert (task["component"], task["path"], task["head"]["kind"]) == (component, "encoder", "linear")
    assert task["metrics"]["accuracy"] >= task["metrics"]["zero_shot"] - 0.1
    assert task["metrics"]["accuracy"] > 1.5 / len(task["labels"])
    assert {"baseline_linear_probe", "baseline_majority", "parameter_share"} <= task["metrics"].keys()
    heads = tensors["base_model.model.classifier.weight"]
    assert heads.shape == (len(task["labels"]), tiny.DIM)
    lora = [name for name in tensors if "lora_A" in name]
    assert bool(lora) == bool(config["target_modules"]) == (task["metrics"]["lora"] == 1)
    assert task["metrics"]["parameters"] == sum(tensor.numel() for tensor in tensors.values())


def test_a_stopped_run_goes_on_to_the_same_package(
    any_run: Tiny, foundation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "LEAST_STEPS", 40)
    monkeypatch.setattr(encoder, "EPOCHS", 1)
    data, component = folder_of(any_run, tmp_path), any_run.run.modality
    whole = package.read(train(foundation, data, component))[0]
    # The run is at its end: a second call only reads its checkpoint.
    again = package.read(train(foundation, data, component))[0]
    assert all(torch.equal(again[name], value) for name, value in whole.items())


def test_rows_of_another_kind_and_other_towers_are_refused(any_run: Tiny, foundation: Path, tmp_path: Path) -> None:
    component = any_run.run.modality
    listing = tmp_path / "words.csv"
    listing.write_text("text,label\n" + "".join(f"word {i},{'ab'[i % 2]}\n" for i in range(60)))
    with pytest.raises(InputError, match=f"its rows are text, component '{component}' reads"):
        train(foundation, listing, component)
    data = folder_of(any_run, tmp_path)
    path = foundation / component / "preprocessor_config.json"
    changed = json.loads(path.read_text())
    changed["changed"] = 1
    path.write_text(json.dumps(changed))
    with pytest.raises(InputError, match=r"preprocessor_config.json is not that of"):
        train(foundation, data, component)
    shutil.rmtree(foundation / component)
    with pytest.raises(InputError, match=r"config.json"):
        train(foundation, data, component)


def pictures_with_texts(out: Path) -> Path:
    """Walls of three colours and what two people say of each, as a data folder."""
    dice = np.random.default_rng(1)
    for split, count in (("train", 60), ("valid", 12), ("test", 3)):
        folder = out / split
        folder.mkdir(parents=True)
        rows = []
        for at in range(count):
            name, colour = list(tiny.COLOURS.items())[at % 3]
            pixels = np.clip(np.array(colour) + dice.integers(-20, 20, (24, 24, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{at}.png")
            rows.append({"file_name": f"{at}.png", "outputs": [f"the wall is {name}", f"something {name}"]})
        (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (out / "data.json").write_text(json.dumps({"schema": 1, "name": "walls", "task": "retrieve"}))
    return out


@pytest.mark.parametrize("any_run", ["image"], indirect=True)
def test_pictures_and_their_texts_come_together(
    foundation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likeness, "LEAST_STEPS", 80)
    tensors, config, task = package.read(train(foundation, pictures_with_texts(tmp_path / "walls"), "image"))
    assert (task["task"], task["path"], task["component"]) == ("embed", "encoder", "image")
    assert tensors
    assert all("lora_" in name for name in tensors), "the tower's vector is what is compared: there is no head"
    assert config["target_modules"]
    found = task["metrics"]
    assert found["recall_at_1"] == 1.0 >= found["base_recall_at_1"]
    with pytest.raises(InputError, match=r"row \d+.* is image with 0 texts, expected image with some"):
        data = tmp_path / "bare.csv"
        pictures = (tmp_path / "walls" / "train").glob("*.png")
        rows = (f"walls/train/{one.name},{'ab'[at % 2]}\n" for at, one in enumerate(pictures))
        data.write_text("file_name,label\n" + "".join(rows))
        likeness.train(request_of(foundation, data))


def request_of(foundation: Path, path: Path) -> Request:
    """For a folder that has a class where texts are asked for."""
    data = open_data(path)
    work = foundation.parent / "work"
    return Request(data, review(data), "image", foundation, "bare", "", "", 0.1, 1, work, True, 10)
