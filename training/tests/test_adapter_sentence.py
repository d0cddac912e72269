"""Classifiers on a text encoder of a few thousand weights."""

from __future__ import annotations

import json
import random
from functools import partial
from pathlib import Path

import pytest
import tiny_language
import torch

from loam_train.adapter import foundation as foundations
from loam_train.adapter import heads, package, sentence
from loam_train.adapter.heads import Head
from loam_train.errors import InputError

WORDS = {"fruit": ["apple", "pear", "plum"], "tool": ["hammer", "saw", "drill"]}
AROUND = ["the", "a", "red", "old", "new", "small"]


@pytest.fixture(scope="module")
def foundation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foundation")
    component = tiny_language.write_encoder(folder, [*AROUND, *WORDS["fruit"], *WORDS["tool"]])
    (folder / "foundation.json").write_text(json.dumps({"schema": 1, "id": "tiny", "components": [component]}))
    return folder


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOAM_TRAINING_CACHE", str(tmp_path / "work"))
    dice, path = random.Random(3), tmp_path / "things.csv"
    rows = []
    for number in range(160):
        label = dice.choice(list(WORDS))
        words = [*dice.sample(AROUND, 3), dice.choice(WORDS[label])]
        dice.shuffle(words)
        rows.append(f"{' '.join(words)} {number},{label}\n")
    path.write_text("text,label\n" + "".join(rows))
    return path


run = partial(tiny_language.adapt, "text")


@pytest.mark.parametrize("kept", [True, False])
def test_rows_become_a_classifier(
    kept: bool, foundation: Path, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "surpasses", lambda after, before, targets: kept)
    out = tmp_path / "things.safetensors"
    assert run(foundation, table, "--out", out) == 0
    tensors, config, task = package.read(out)
    assert (task["task"], task["path"], task["component"]) == ("classify", "encoder", "text")
    assert task["head"] == {"kind": "linear", "reads": "embedding"}
    assert task["base"]["text"] == foundations.component(foundation, "text").fingerprint
    assert task["metrics"]["accuracy"] > 0.8
    # Of one block: query, key, value, and three layers called dense.
    assert len(tensors) == 2 + 2 * 6 * kept
    assert config["target_modules"] == (sentence.MODULES if kept else [])
    # What lies in the package says the same as what was scored.
    encoder = sentence.open_encoder(foundations.component(foundation, "text"))
    weight, bias = (tensors[f"base_model.model.classifier.{name}"].float() for name in ("weight", "bias"))
    stored = sentence.Trainee(encoder, Head(weight, bias), 0)
    stored.load(tensors)
    ids = encoder.encode(["the old hammer", "a red apple"])
    assert [task["labels"][index] for index in stored.logits(ids, "").argmax(1).tolist()] == ["tool", "fruit"]


def test_vectors_are_those_of_the_encoder_alone(foundation: Path) -> None:
    encoder = sentence.open_encoder(foundations.component(foundation, "text"))
    trainee = sentence.Trainee(encoder, Head(torch.zeros(2, 32), torch.zeros(2)), 0)
    ids = encoder.encode(["the old hammer", "a red apple and a saw"])
    together = trainee.vectors(ids, "")
    for row, one in zip(together, ids, strict=True):
        states = encoder.model(input_ids=torch.tensor([one])).last_hidden_state[0]
        torch.testing.assert_close(row, torch.nn.functional.normalize(states.mean(0), dim=0), atol=1e-5, rtol=1e-4)


def test_what_it_does_not_learn_is_said(foundation: Path, table: Path, tmp_path: Path) -> None:
    written = tmp_path / "written.csv"
    written.write_text("text,output\n" + "".join(f"row {i},answer {i}\n" for i in range(30)))
    with pytest.raises(InputError, match="its task is 'generate' of text; on the text encoder texts are classified"):
        run(foundation, written)
