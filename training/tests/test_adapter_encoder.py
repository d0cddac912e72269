"""Adapters on towers of all modalities: from a published set to a package, on towers of a second's training."""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from tiny import Tiny

from loam_train.adapter import cli, encoder, features, package
from loam_train.data.media import Media
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
    given = ["adapter", data, "--on", component, "--foundation", foundation, "--minutes", "0.2", "--out", out, *arguments]
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
