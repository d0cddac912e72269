"""Models beside the foundation: what a process of its own tells, and what exported networks compute."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from loam_train import __main__ as program
from loam_train import places
from loam_train.dense.heads import KINDS
from loam_train.dense.scenes import SIDE
from loam_train.errors import InputError
from loam_train.own.scenes import Unet
from loam_train.peers import networks, ready
from loam_train.peers.cli import MODELS, NAME
from loam_train.peers.peer import Ready, Timed, spread, time

SETS = ("nlp/rte", "sensing/sisfall:falls", "scenes/counting")
PICTURE = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))


def test_rows_lie_as_far_apart_as_they_can() -> None:
    assert spread(3, 5) == [0, 1, 2]
    assert spread(10, 5) == [0, 2, 4, 6, 8]


def test_a_process_of_its_own_answers_and_tells(tmp_path: Path) -> None:
    texts = ["open the door", "shut the window", "open a window", "shut a door"]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [0, 1, 0, 1])
    found = time(Ready("stored", ("sklearn.pipeline",), pickle.dumps(model), texts), tmp_path, 1)
    assert found.answers == ["0", "1", "0", "1"]
    assert 0 < found.median_ms <= found.p95_ms and found.held_bytes is not None and found.held_bytes > 0
    assert found.runtime.startswith("scikit-learn 1.")


def test_a_process_that_fails_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ended with 1"):
        time(Ready("onnx", ("onnxruntime",), b"no model", [(np.zeros(1),)]), tmp_path, 1)


def test_an_exported_network_computes_the_same(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = Unet(KINDS["crowd"]).eval()
    path = tmp_path / "model.onnx"
    path.write_bytes(networks.exported(network, (PICTURE,)))
    session = onnxruntime.InferenceSession(path)
    (found,) = session.run(None, {session.get_inputs()[0].name: PICTURE.numpy()})
    with torch.no_grad():
        assert np.abs(found - network(PICTURE).numpy()).max() < 1e-4


def test_places_of_classes_meet() -> None:
    timed = Timed("", 1, 1.0, 1.0, 0, [[0.1, 0.3, 0.35], [0.3, 0.2, 0.55], [0.0, 0.0, 0.0]])
    groups, wanted = {"first": [0, 1], "second": [2]}, ["first", "first", "first"]
    assert ready._right(groups, sum, wanted, timed) == pytest.approx(1 / 3)
    assert ready._right(groups, max, wanted, timed) == 0.0
    assert set(ready.SOUNDS) and all(ready.SOUNDS.values())
    taken = [place for ranges in ready.OBJECTS.values() for first, behind in ranges for place in range(first, behind)]
    assert len(taken) == len(set(taken)) and min(taken) > 0 and max(taken) < 1001


def test_frames_of_a_sound_hold_all_of_it() -> None:
    for length in (1, 15_600, 15_601, 40_000):
        frames = ready._framed(np.ones(length, np.float32))
        assert frames.shape[1] == 15_600
        assert (len(frames) - 1) * 7_680 < length <= (len(frames) - 1) * 7_680 + 15_600


@pytest.mark.skipif(not MODELS.is_dir(), reason="no models of other makers: ../shared/weights is not there")
def test_a_cat_is_a_cat(tmp_path: Path) -> None:
    from PIL import Image

    model = next(one for one in ready.FOREIGN if one.folder == "mobilenet-v2")
    with Image.open(MODELS / model.folder / "cat.bmp") as picture:
        row = np.asarray(picture.convert("RGB").resize((224, 224)))[None]
    stored = Ready("tflite", ("ai_edge_litert.interpreter",), (MODELS / model.folder / model.file).read_bytes(), [row])
    answers = time(stored, tmp_path, 1).answers[0]
    assert 282 <= int(np.argmax(answers)) < 287
    assert ready.operators(MODELS / model.folder / model.file)[0] > 60


@pytest.mark.skipif(not places.SETS.is_dir(), reason="no sets: ../shared/data is not there")
def test_the_command_writes_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["loam_train", "peers", str(tmp_path), "--sets", *SETS])
    assert program.main() == 0
    told = json.loads((tmp_path / NAME).read_text())
    assert set(told["peers"]) == set(SETS) and told["ready"] == []
    assert told["machine"] and told["date"]
    for wrong in (["--sets", "nlp/none"], ["--threads", "999999"]):
        monkeypatch.setattr("sys.argv", ["loam_train", "peers", str(tmp_path), *wrong])
        assert program.main() == 2
