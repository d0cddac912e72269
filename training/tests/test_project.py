"""Projectors, and adapters that answer through them, on a tower and a backbone of a second's training."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tiny
import tiny_language
import torch
from tiny import Tiny

from loam_train.adapter import cli as adapters
from loam_train.adapter import features, language, package
from loam_train.adapter import foundation as foundations
from loam_train.data import media
from loam_train.data.media import Media
from loam_train.errors import InputError
from loam_train.project import cli as projects
from loam_train.project import network, train
from loam_train.project import run as runs
from loam_train.project.network import Projector
from loam_train.project.soft import IGNORED, Asked, Format, Reader, padded
from loam_train.towers import command

CONFIG = """
name = "tiny-projector"
tower = "image"
tokens = 2
inner = 16
instructions = ["", "One word."]
answers = "asked"
seed = 3
minutes = 1.0
steps = 30
batch = 8
learning_rate = 1e-2
[captions]
questions = ["Describe this.", "What is it?"]
answer = "A photo of a {}."
share = 0.5
[weights]
coloured = 2.0
"""
TEXTS = [
    "A photo of a red circle.",
    "Describe this.",
    "What is it?",
    "One word.",
    "is there a teal shape in the image?",
]


@pytest.fixture
def foundation(pictures: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tower and a backbone; the folder of questions lies beside it."""
    monkeypatch.setenv("LOAM_TRAINING_CACHE", str(tmp_path / "work"))
    monkeypatch.setattr(features, "RUNS", pictures.config.parent)
    monkeypatch.setattr(train, "SCORED", 4)
    folder = tmp_path / "foundation"
    backbone = tiny_language.write(folder, TEXTS)
    arguments = (pictures.modality(), pictures.load(), tiny.embed, tmp_path / "work", folder / "image")
    command.train(pictures.run, pictures.config, *arguments)
    tower = {"name": "image", "kind": "image-encoder", "format": "hugging-face", "entry": "image", "files": []}
    (folder / "foundation.json").write_text(json.dumps({"components": [backbone, tower]}))
    source = Media("asked", "answer", "made here", "drawn", instructions="One word.", fields=media.asked)
    source.write("asked", pictures.root, tmp_path / "folders" / "asked")
    return folder


def command_line(add: Any, *given: Any) -> int:
    parser = argparse.ArgumentParser()
    add(parser.add_subparsers(required=True))
    chosen = parser.parse_args([str(one) for one in given])
    code: int = chosen.run(chosen)
    return code


def project(foundation: Path, pictures: Tiny, tmp_path: Path) -> Path:
    config = tmp_path / "projector.toml"
    config.write_text(CONFIG)
    out = foundation / "image-projector"
    given = ("--tower", foundation / "image", "--data", pictures.root, "--folders", tmp_path / "folders")
    code = command_line(projects.add_commands, "project", config, *given, "--foundation", foundation, "--out", out)
    assert code == 0
    manifest = json.loads((foundation / "foundation.json").read_text())
    kind = {"kind": "image-projector", "format": "hugging-face", "files": []}
    manifest["components"].append({"name": "image-projector", "entry": "image-projector", **kind})
    (foundation / "foundation.json").write_text(json.dumps(manifest))
    return out


def test_a_projector_and_an_adapter_that_answers_through_it(foundation: Path, pictures: Tiny, tmp_path: Path) -> None:
    out = project(foundation, pictures, tmp_path)
    record = json.loads((out / "training.json").read_text())
    assert record["losses"][-1] < record["losses"][0]
    assert set(record["exact"]) == {"grey", "coloured", "asked", "asked, asked"}
    stored = network.read(out)
    assert (stored.tokens, stored.inputs, stored.outputs) == (2, tiny.DIM, 32)
    package_path = tmp_path / "vqa.safetensors"
    given = (
        "--on",
        "backbone",
        "--foundation",
        foundation,
        "--minutes",
        "0.4",
        "--test-rows",
        "8",
        "--out",
        package_path,
    )
    assert command_line(adapters.add_commands, "adapter", tmp_path / "folders" / "asked", *given) == 0
    tensors, config, task = package.read(package_path)
    assert (task["task"], task["path"], task["component"]) == ("answer", "encoder-backbone", "backbone")
    assert task["instructions"] == "One word."
    assert {"exact", "bare_exact", "question_only_exact", "parameter_share"} <= task["metrics"].keys()
    assert config["target_modules"] == ["q_proj", "v_proj"]
    assert len(tensors) == 4 * 2 * 2


def test_without_a_projector_questions_about_pictures_are_refused(foundation: Path, tmp_path: Path) -> None:
    given = ("--on", "backbone", "--foundation", foundation, "--out", tmp_path / "vqa.safetensors")
    with pytest.raises(InputError, match="0 components of kind 'image-projector', expected one"):
        command_line(adapters.add_commands, "adapter", tmp_path / "folders" / "asked", *given)


def test_a_kept_prefix_changes_no_answer(foundation: Path) -> None:
    model = language.load(foundations.component(foundation, "backbone"))
    form = Format(model, "One word.")
    soft = torch.randn(2, 3, model.width)
    rows = [form.asked(0, "What is it?", "A photo of a red circle."), form.asked(1, "Describe this.", "red")]
    reader = Reader(model, form.prefix)
    loss, written = reader.loss(soft, rows), reader.greedy(soft, rows, 5)
    reader.keep_prefix()
    torch.testing.assert_close(reader.loss(soft, rows), loss)
    assert reader.greedy(soft, rows, 5) == written


def test_soft_tokens_stand_where_the_engine_puts_them(foundation: Path) -> None:
    model = language.load(foundations.component(foundation, "backbone"))
    form = Format(model, "One word.")
    asked = form.asked(0, "What is it?", "red")
    assert model.tokenizer.decode(form.prefix) == "<|im_start|>system\nOne word.<|im_end|>\n<|im_start|>user\n"
    assert model.tokenizer.decode(asked.question) == "What is it?<|im_end|>\n<|im_start|>assistant\n"
    assert model.tokenizer.decode(asked.answer) == "red<|im_end|>"


def test_only_answers_are_learned() -> None:
    tokens, targets = padded([Asked(0, [5, 6, 7], [8, 9]), Asked(0, [5], [6])])
    assert tokens.tolist() == [[5, 6, 7, 8], [5, 0, 0, 0]]
    assert targets.tolist() == [[IGNORED, IGNORED, 8, 9], [6, IGNORED, IGNORED, IGNORED]]


def test_damaged_projectors_are_named(tmp_path: Path) -> None:
    network.write(tmp_path / "whole", Projector(4, 6, 8, 2), {})
    for file, content, said in (
        ("config.json", "{}", "not a projector's"),
        ("config.json", '{"model_type": "loam-projector", "kind": "linear", "source": "embedding"}', "of kind mlp"),
        ("model.safetensors", "no tensors", "model.safetensors"),
    ):
        shutil.rmtree(tmp_path / "broken", ignore_errors=True)
        shutil.copytree(tmp_path / "whole", tmp_path / "broken")
        (tmp_path / "broken" / file).write_text(content)
        with pytest.raises(InputError, match=said):
            network.read(tmp_path / "broken")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("share = 0.5", "share = 1.5", "captions.share is 1.5"),
        ('answers = "asked"', "", "answers is ''"),
        ('"A photo of a {}."', '"A photo"', "captions.answer is 'A photo'"),
        ("tokens = 2", "tokens = 0", "tokens is 0"),
    ],
)
def test_mistakes_in_a_run_are_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(CONFIG.replace(old, new))
    with pytest.raises(InputError, match="run.toml") as caught:
        runs.read(path)
    assert said in str(caught.value)
