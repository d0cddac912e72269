"""Every shipped adapter says the same in torch and in the engine, on test rows of its set."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loam_train import places
from loam_train.adapter import check, foundation
from loam_train.data import cli as sets
from loam_train.data import open_data
from loam_train.pixels import batches, pictures, style

LOAM = os.environ.get("LOAM", "loam")
ROWS, WRITTEN = 100, {"explain": 60}
"""Of those that write 24 each, but for the one whose sentences are the longest and differ the soonest."""
SETS = {
    "activity-phone": "wisdm_phone", "activity-watch": "wisdm_watch", "banking": "banking77", "command": "snips",
    "clothes": "fashion_mnist", "digits": "mnist",
    "emoji": "tweeteval_emoji", "emotion": "tweeteval_emotion", "emotion-text": "tweeteval_emotion",
    "falls": "falls", "intent": "clinc150", "objects": "cifar10", "question": "trec_qc",
    "sentiment": "sst2", "signs": "gtsrb", "sounds": "esc10", "spam": "sms_spam", "spoken-digits": "fsdd",
    "topic": "slurp_topic", "topic-text": "slurp_topic", "voice-emotion": "emodb", "yes-no": "boolq",
}  # fmt: skip
WRITERS = {
    "brief": "brief", "explain": "conala_doc", "python": "conala", "reader": "squad", "reply": "replies",
    "vqa": "easy_vqa",
}  # fmt: skip
DENSE = {"crowd", "portrait", "pose", "scene", "things"}
"""Heads over the places of a picture: `test_dense.py` compares them."""
TAGGERS = {"frames", "slots"}
"""Heads of tags: `test_adapter_tagging.py` compares them."""
STYLES = {"stained-glass"}
SHIPPED = sorted((places.ROOT / "models" / "adapters").glob("*.safetensors"))

pytest.importorskip("loam")
pytestmark = [
    pytest.mark.skipif(shutil.which(LOAM) is None, reason="no loam command"),
    pytest.mark.skipif(not (places.foundation() / "foundation.json").exists(), reason="no installed foundation"),
    pytest.mark.skipif(not places.SETS.exists(), reason="no data sets"),
]


def compared(path: Path, name: str, folder: Path, rows: int) -> check.Comparison:
    sets.SETS[name].write(name, places.SETS, folder / name)
    return check.compare(path, open_data(folder / name), places.foundation(), LOAM, rows)


CLASSIFIERS = [path for path in SHIPPED if path.stem not in {*WRITERS, *DENSE, *TAGGERS, *STYLES}]


@pytest.mark.parametrize("path", CLASSIFIERS, ids=lambda path: path.stem)
def test_torch_and_the_engine_agree(path: Path, tmp_path: Path) -> None:
    found = compared(path, SETS[path.stem], tmp_path, ROWS)
    assert not found.apart, found
    assert found.agreement >= 99, found
    # Some quarter of the worst of them would be chance, but for twenty emoji.
    assert found.engine > (15 if path.stem == "emoji" else 40), found


@pytest.mark.parametrize("path", [path for path in SHIPPED if path.stem in WRITERS], ids=lambda path: path.stem)
def test_torch_and_the_engine_write_alike(path: Path, tmp_path: Path) -> None:
    found = compared(path, WRITERS[path.stem], tmp_path, WRITTEN.get(path.stem, 24))
    assert not found.apart, found
    # A word that two were equally likely for changes all that follow it, and eight-bit activations decide otherwise.
    assert found.agreement >= 60, found


@pytest.mark.parametrize("path", [path for path in SHIPPED if path.stem in STYLES], ids=lambda path: path.stem)
def test_torch_and_the_engine_draw_alike(path: Path, tmp_path: Path) -> None:
    small = pictures.reduced(pictures.photograph("chelsea"), 8)
    Image.fromarray(small).save(tmp_path / "small.png")
    base = foundation.of_kind(places.foundation(), "super-resolution")
    made = style.drawn(base, path, batches.tensor([small]))[0]
    command = [LOAM, "upscale", tmp_path / "small.png", "--adapter", path, "--out", tmp_path / "large.png", "--quiet"]
    subprocess.run([*map(str, command)], check=True)
    with Image.open(tmp_path / "large.png") as opened:
        engine = np.asarray(opened).astype(float)
    torch_ = (made.permute(1, 2, 0).clamp(0, 1) * 255).numpy()
    assert engine.shape == torch_.shape
    assert np.abs(engine - torch_).max() < 1.5 and np.abs(engine - torch_).mean() < 0.6


def test_adapters_name_the_weights_that_they_were_made_for() -> None:
    from loam_train.adapter import package

    for path in SHIPPED:
        _, _, task = package.read(path)
        component = task["component"]
        assert task["base"][component] == foundation.component(places.foundation(), component).fingerprint, path.stem
        assert task["licence"], path.stem
