"""Super-resolution: what it learns from, what it begins as, and a run that is stopped and gone on with."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from skimage import metrics

from loam_train.adapter import foundation, package
from loam_train.errors import InputError
from loam_train.pixels import batches, edsr, pictures, run, style, train

CONFIG = Path(__file__).parents[1] / "configs" / "pixels" / "upscaler.toml"
SHIPPED = Path(__file__).parents[2] / "models" / "generators" / "upscaler"


def test_nothing_that_is_held_out_is_learned_from() -> None:
    assert not set(pictures.HELD) & set(pictures.TRAINED)
    assert {pictures.photograph(name).shape[2] for name in (*pictures.HELD, *pictures.TRAINED)} == {3}


def test_drawn_pictures_follow_from_their_number() -> None:
    one, again, other = (pictures.drawn(seed, 32) for seed in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    assert one.shape == (32, 32, 3) and one.std() > 5


def test_patches_are_what_they_are_made_smaller_to() -> None:
    low, high = batches.Source(4, 8).batch(3, 5)
    assert low.shape == (5, 3, 8, 8) and high.shape == (5, 3, 32, 32)
    means = high.reshape(5, 3, 8, 4, 8, 4).mean((3, 5))
    assert (means - low).abs().mean() < 0.05


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_it_begins_as_what_repeats_each_pixel(scale: int) -> None:
    torch.manual_seed(1)
    network = edsr.Edsr(edsr.Shape(scale, 1, 8))
    network.begin_as_copy()
    x = torch.rand(1, 3, 9, 7)
    with torch.inference_mode():
        made = network(x)
    repeated = x.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    assert made.shape == repeated.shape
    assert (made - repeated).abs().mean() < 0.15


def test_scores_are_those_of_scikit_image() -> None:
    chance = np.random.default_rng(5)
    right = chance.integers(0, 256, (40, 33, 3)).astype(np.uint8)
    found = (right + chance.integers(0, 30, right.shape)).clip(0, 255).astype(np.uint8)
    light = [16 + p.astype(float) @ (np.array([65.481, 128.553, 24.966]) / 255) for p in (found, right)]
    ours, theirs = (part[4:-4, 4:-4] for part in light)
    pair = batches.tensor([found]), batches.tensor([right])
    measures: Any = metrics
    right_noise = measures.peak_signal_noise_ratio(theirs, ours, data_range=255)
    assert edsr.signal_to_noise(*pair, 4) == pytest.approx(right_noise, abs=1e-4)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "full": True}
    _, places = measures.structural_similarity(ours, theirs, data_range=255, **options)
    assert edsr.likeness(*pair, 4) == pytest.approx(places[5:-5, 5:-5].mean(), abs=1e-6)


def test_a_run_that_was_stopped_goes_on(tmp_path: Path) -> None:
    short = dataclasses.replace(run.read(CONFIG), blocks=1, width=4, patch=8, batch=2, steps=3)
    checkpoint = tmp_path / "run.pt"
    assert train.train(short, checkpoint, tmp_path / "out")["steps"] == 3
    record = train.train(dataclasses.replace(short, steps=5), checkpoint, tmp_path / "out")
    assert record["steps"] == 5
    assert json.loads((tmp_path / "out" / "config.json").read_text())["n_feats"] == 4
    assert load_file(tmp_path / "out" / "model.safetensors")["tail.1.weight"].dtype == torch.float16
    with pytest.raises(InputError, match="checkpoint of other"):
        train.train(dataclasses.replace(short, seed=9), checkpoint, tmp_path / "out")


@pytest.mark.parametrize(("key", "value"), [("scale", "5"), ("width", "2"), ("patch", "4"), ("minutes", "0.0")])
def test_settings_out_of_range_are_named(tmp_path: Path, key: str, value: str) -> None:
    lines = [line for line in CONFIG.read_text().splitlines() if not line.startswith(f"{key} =")]
    file = tmp_path / "run.toml"
    file.write_text("\n".join([*lines, f"{key} = {value}"]))
    with pytest.raises(InputError, match=key):
        run.read(file)


def test_the_held_out_pictures_are_written_as_set5_is(tmp_path: Path) -> None:
    assert pictures.write_set(tmp_path, 4) == list(pictures.HELD)
    files = sorted(file.name for file in (tmp_path / "image_SRF_4").iterdir())
    assert len(files) == 2 * len(pictures.HELD) and files[0] == "img_001_SRF_4_HR.png"
    for file in (tmp_path / "image_SRF_4").glob("*_HR.png"):
        with Image.open(file) as high, Image.open(str(file).replace("_HR", "_LR")) as low:
            assert high.size == (4 * low.width, 4 * low.height)


def test_the_shipped_one_beats_interpolation_on_every_picture() -> None:
    config = json.loads((SHIPPED / "config.json").read_text())
    network = edsr.Edsr(edsr.Shape(config["scale"], config["n_resblocks"], config["n_feats"], config["res_scale"]))
    network.load_state_dict({name: value.float() for name, value in load_file(SHIPPED / "model.safetensors").items()})
    recorded = json.loads((SHIPPED / "training.json").read_text())["luminance"]
    for name, row in train.compare(network, config["scale"]).items():
        assert row["ours"][0] > row["bicubic"][0] and row["ours"][1] > row["bicubic"][1], name
        assert row["ours"] == pytest.approx(recorded[name]["ours"], abs=0.02), name


def asked(folder: Path, painting: pictures.Pixels, minutes: float = 1.0) -> style.Style:
    """Of a generator of random weights."""
    torch.manual_seed(1)
    shape = edsr.Shape(4, 3, 4)
    network = edsr.Edsr(shape)
    network.begin_as_copy()
    folder.mkdir(exist_ok=True)
    save_file(dict(network.state_dict()), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(shape.config()))
    base = foundation.Component("upscaler", "hugging-face", folder, "a tiny EDSR", "0" * 64)
    return style.Style("glass", painting, Path("painting.png"), base, minutes, 3, folder / "run.pt")


def test_a_style_is_learned_and_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "STEPS", 40)
    out = tmp_path / "glass.safetensors"
    metrics = style.train(asked(tmp_path / "base", style.stained_glass(2, 128)), out)
    assert metrics["texture"] < metrics["base_texture"] and metrics["steps"] == 40
    tensors, config, task = package.read(out)
    assert (task["task"], task["component"], task["path"]) == ("upscale", "upscaler", "generator")
    assert config["target_modules"] == sorted(config["target_modules"]) and "body.0.body.0" in config["target_modules"]
    assert tensors["base_model.model.head.0.lora_A.weight"].shape == (style.RANK, 3, 3, 3)
    assert not (tmp_path / "base" / "run.pt").exists()


def test_what_no_style_can_be_learned_from_is_said(tmp_path: Path) -> None:
    small = asked(tmp_path / "base", style.stained_glass(2, 64))
    with pytest.raises(InputError, match="painting.png: 64 x 64 pixels, expected 112"):
        style.train(small, tmp_path / "glass.safetensors")
    broken = asked(tmp_path / "base", style.stained_glass(2, 128))
    (tmp_path / "base" / "config.json").write_text("{}")
    with pytest.raises(InputError, match="no EDSR"):
        style.train(broken, tmp_path / "glass.safetensors")


def test_pictures_to_draw_are_written_as_wikiart_is(tmp_path: Path) -> None:
    assert style.write_set(tmp_path, style.stained_glass(1, 64), "stained-glass") == list(pictures.HELD)
    rows = (tmp_path / "Style" / "style_val.csv").read_text().splitlines()
    assert rows[0] == "Stained_glass/painting_1.png,0" and len(rows) == len(list((tmp_path / "content").iterdir()))
    assert all((tmp_path / "wikiart" / row.split(",")[0]).exists() for row in rows)
