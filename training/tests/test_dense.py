"""Dense heads: trained from scenes to a package that the engine runs, and the shipped ones as torch has them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from loam_train import places
from loam_train.adapter import foundation, package
from loam_train.adapter.features import Eyes, open_eyes
from loam_train.dense import heads, train
from loam_train.dense.scenes import LABELS, SIDE, Scene, scene, sources
from loam_train.towers.network import definition

LOAM = os.environ.get("LOAM", "loam")
COMMANDS = {"scene": "segment", "portrait": "segment", "crowd": "count", "things": "detect", "pose": "locate"}
PREFIX = "base_model.model.classifier.stages."
SCENES = 4

pytestmark = [
    pytest.mark.skipif(shutil.which(LOAM) is None, reason="no loam command"),
    pytest.mark.skipif(not (places.foundation() / "foundation.json").exists(), reason="no installed foundation"),
    pytest.mark.skipif(not places.SETS.exists(), reason="no data sets"),
]


@pytest.fixture(scope="module")
def eyes() -> Eyes:
    opened = open_eyes(foundation.component(places.foundation(), "image").entry, "image")
    opened.tower.tower.eval()
    return opened


def planes(adapter: Path, eyes: Eyes, seen: Scene) -> torch.Tensor:
    """What torch makes of a scene."""
    tensors, _, task = package.read(adapter)
    head, _ = definition().build(task["head"]["stages"], tuple(task["head"]["states"]))
    head.load_state_dict({name.removeprefix(PREFIX): value.float() for name, value in tensors.items()}, strict=False)
    mean, deviation = (torch.tensor(task["preprocessing"][key]).view(3, 1, 1) for key in ("image_mean", "image_std"))
    pixels = torch.from_numpy(seen.picture.copy()).permute(2, 0, 1).float() / 255
    with torch.inference_mode():
        made: torch.Tensor = head.eval()(eyes.tower.tower.get_submodule("stages")(((pixels - mean) / deviation)[None]))[
            0
        ]
    return made


def asked(adapter: Path, kind: str, seen: Scene, folder: Path) -> dict[str, Any]:
    """What the engine makes of it."""
    picture = folder / "scene.png"
    Image.fromarray(seen.picture).save(picture)
    words = [LOAM, COMMANDS[kind], "--image", str(picture), "--adapter", str(adapter), "--json"]
    said: dict[str, Any] = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    return said


def check(kind: str, said: dict[str, Any], made: torch.Tensor) -> None:
    cell = SIDE // made.shape[-1]
    if kind == "crowd":
        assert said["count"] == pytest.approx(float(made[0].relu().sum()), abs=0.05)
    elif kind == "pose":
        for plane, point in zip(made, said["points"], strict=True):
            row, column = divmod(int(plane.argmax()), plane.shape[-1])
            away = np.hypot(point["x"] - cell * (column + 0.5), point["y"] - cell * (row + 0.5))
            assert away <= cell, point
    elif kind == "things":
        found = [(score, label, box) for label in range(len(LABELS)) for score, box in heads.surest(made, label, cell)]
        score, label, box = max(found)
        first = said["things"][0]
        own = (first["x"], first["y"], first["x"] + first["width"], first["y"] + first["height"])
        assert first["label"] == LABELS[label] and first["score"] == pytest.approx(score, abs=0.02)
        assert heads.overlap(own, box) >= 0.9
    else:
        classes = made.argmax(0) if kind == "scene" else (made[0] < 0).long()
        shares = [float((classes == label).double().mean()) for label in range(len(said["labels"]))]
        assert [found["share"] for found in said["labels"]] == pytest.approx(shares, abs=0.01)


@pytest.mark.parametrize("kind", COMMANDS)
def test_torch_and_the_engine_agree(kind: str, eyes: Eyes, tmp_path: Path) -> None:
    adapter = places.ROOT / "models" / "adapters" / f"{kind}.safetensors"
    made_of = sources(places.SETS, "test")
    for seed in range(SCENES):
        seen = scene(heads.KINDS[kind].scenes, made_of, (1 << 50) + seed)
        check(kind, asked(adapter, kind, seen, tmp_path), planes(adapter, eyes, seen))


def test_a_head_is_trained_to_a_package_that_the_engine_runs(
    eyes: Eyes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "TRAIN", 60)
    monkeypatch.setattr(train, "TEST", 8)
    monkeypatch.setattr(train, "STEPS", 20)
    out = tmp_path / "crowd.safetensors"
    wanted = train.Request("crowd", places.SETS, places.foundation(), out, 1.0, 3, tmp_path)
    metrics = train.train(wanted)
    assert metrics["steps"] == 20 and metrics["parameter_share"] < 0.05
    seen = scene("crowd", sources(places.SETS, "test"), 9)
    check("crowd", asked(out, "crowd", seen, tmp_path), planes(out, eyes, seen))
