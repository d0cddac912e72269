"""Tiny sets of the three modalities in their published formats, and runs that train on them in a second."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import torch
import zstandard
from PIL import Image

from loam_train.towers import command
from loam_train.towers import run as runs
from loam_train.towers.data import TowerSet
from loam_train.towers.modality import Modality, open_modality
from loam_train.towers.run import Run

Values = npt.NDArray[Any]

DIM = 24
FREQUENCIES = {"still": 0.0, "slow": 0.7, "fast": 2.4}
"""Of each class's movement, Hz."""
PITCHES = {"low": 300.0, "middle": 900.0, "high": 3000.0}
"""Of each class's tone, Hz."""
COLOURS = {"red": (200, 30, 30), "green": (30, 180, 60), "blue": (40, 60, 220)}


def embed(sentences: Sequence[str]) -> torch.Tensor:
    """Unit vectors that follow from the words alone; all lean one way, as those of a sentence encoder do."""
    rows = []
    for sentence in sentences:
        words = [int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") for word in sentence.split()]
        drawn = [torch.randn(DIM, generator=torch.Generator().manual_seed(word)) for word in words]
        rows.append(torch.stack(drawn).sum(0) + 3.0)
    return torch.nn.functional.normalize(torch.stack(rows), dim=-1)


@dataclass(frozen=True)
class Tiny:
    """A run, its file, and where its sets are."""

    run: Run
    config: Path
    root: Path

    def modality(self, **window: Any) -> Modality:
        """Opened, with other values of its window."""
        run = runs.read(self.config)
        run.window.update(window)
        return open_modality(run, self.config)

    def load(self) -> list[TowerSet]:
        return command.load(self.run, self.modality(), self.root)

    def set(self, name: str) -> TowerSet:
        """One set alone: others may be broken."""
        source = next(source for source in self.run.sets if source.name == name)
        return self.modality().load(source, self.root)


def make(name: str, folder: Path) -> Tiny:
    """The tiny run of a modality, with fresh sets."""
    text, write = {
        "imu": (_MOTION, _write_motion),
        "image": (_PICTURES, _write_pictures),
        "sound": (_SOUNDS, _write_sounds),
    }[name]
    config, root = folder / f"{name}.toml", folder / "sets"
    config.write_text(_HEAD.format(name=name) + text + _TRAINING)
    write(root)
    return Tiny(runs.read(config), config, root)


_HEAD = 'name = "{name}"\nmodality = "{name}"\n'
# Keys of a table end where the next one begins, so that the network and the optimizer, which are alike, come last.
_TRAINING = """
[training]
seed = 3
steps = 20
minutes = 5.0
batch = 16
balance = 0.5
learning_rate = 1e-2
weight_decay = 0.01
warmup_steps = 2
clip = 1.0
checkpoint_steps = 5
"""
_MOTION = """
[window]
rate = 20.0
steps = 60
[texts]
deployed = "a person is {}."
others = ["{}", "the motion of {}"]
[network]
pooling = "mean_max"
logit_scale = 30.0
stages = [
  { type = "conv", outputs = 8, kernel = [5], stride = [2], padding = [2], bias = false },
  { type = "batch_norm" }, { type = "activation", kind = "relu" },
]
[augmentation]
rotation = 0.2
scale = 0.1
jitter = 0.02
speed = 0.1
shift = 0.1
[[sets]]
folder = "metric"
licence = "made here"
labels = { still = "standing still", slow = "waving slowly", fast = "waving quickly" }
coarse = { moving = ["slow", "fast"] }
[[sets]]
folder = "gravities"
licence = "made here"
labels = { still = "standing still", fast = "shaking" }
frame = "ios"
"""
_PICTURES = """
[window]
side = 16
mean = 0.45
std = 0.27
[texts]
deployed = "a photo of a {}."
others = ["{}", "a picture showing a {}"]
[network]
pooling = "mean_max"
logit_scale = 30.0
whitening = 0.2
stages = [
  { type = "conv", outputs = 8, kernel = [3, 3], stride = [2, 2], padding = [1, 1], bias = false },
  { type = "batch_norm" }, { type = "activation", kind = "relu" },
  { type = "basic_block", outputs = 12, stride = 2 },
]
[augmentation]
shift = 0.1
scale = 0.1
rotation = 0.1
brightness = 0.1
contrast = 0.1
erase = 0.2
[[sets]]
folder = "grey"
licence = "made here"
labels = { bars = "bars", columns = "columns" }
[[sets]]
folder = "coloured"
licence = "made here"
mirror = 0.5
labels = { 0 = "red picture", 1 = "green picture", 2 = "blue picture" }
[[sets]]
folder = "asked"
licence = "made here"
[sets.labels]
"""
_SOUNDS = """
[window]
frames = 32
kept = 64
[texts]
deployed = "the sound of {}."
others = ["{}", "a recording of {}"]
[network]
pooling = "mean_max"
logit_scale = 30.0
whitening = 0.2
stages = [
  { type = "conv", outputs = 8, kernel = [3, 3], stride = [2, 2], padding = [1, 1], bias = false },
  { type = "batch_norm" }, { type = "activation", kind = "gelu" },
  { type = "conv", outputs = 12, kernel = [32, 3], padding = [0, 1], bias = false },
  { type = "batch_norm" }, { type = "activation", kind = "gelu" },
]
[augmentation]
speed = 0.1
pitch = 1
noise = 0.3
tilt = 0.5
mask = 0.1
[[sets]]
folder = "tones"
licence = "made here"
labels = { low = "a low tone", middle = "a tone", high = "a high tone" }
[[sets]]
folder = "hisses"
licence = "made here"
labels = { tone = "a tone", hiss = "a hissing noise" }
"""
SHADES = ("black", "blue", "brown", "gray", "green", "red", "teal", "yellow")
SHAPES = ("circle", "rectangle", "triangle")
_PICTURES += "".join(f'"{shade} {shape}" = "{shade} {shape}"\n' for shade in SHADES for shape in SHAPES)


def movement(kind: str, rate: float, seconds: float, chance: np.random.Generator) -> Values:
    """`[samples, 6]` in m/s^2 and rad/s, Android's frame: gravity in z, a swing along x and about y."""
    time = np.arange(round(rate * seconds)) / rate
    swing = np.sin(2 * np.pi * (FREQUENCIES[kind] * time + chance.random()))
    out: Values = chance.normal(0, 0.05, (len(time), 6))
    out[:, 2] += 9.806_65
    if kind != "still":
        out[:, 0] += 3 * swing
        out[:, 4] += 1.5 * swing
    return out


def _write_motion(root: Path) -> None:
    """Two sets: one in the common layout, one in g and deg/s at 50 Hz with iOS's sign."""
    _motion_set(root / "metric", list(FREQUENCIES), 20.0, ["m/s^2"] * 3 + ["rad/s"] * 3, [1.0] * 6)
    factors = [-1 / 9.806_65] * 3 + [180 / np.pi] * 3
    _motion_set(root / "gravities", ["still", "fast"], 50.0, ["g"] * 3 + ["deg/s"] * 3, factors)


def _motion_set(folder: Path, classes: list[str], rate: float, units: list[str], factors: list[float]) -> None:
    """12 training and 6 test windows a class, `factors` taking the common units to the set's own."""
    chance = np.random.default_rng(len(classes))
    arrays: dict[str, Values] = {}
    for part, count in (("train", 12), ("test", 6)):
        rows = [movement(name, rate, 3.0, chance) * factors for name in classes for _ in range(count)]
        arrays[f"x_{part}"] = np.stack(rows).astype(np.float16)
        arrays[f"y_{part}"] = np.repeat(np.arange(len(classes)), count)
    folder.mkdir(parents=True)
    save_arrays(folder / "data.npz", arrays)
    channels = ["acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z"]
    write_json(folder / "meta.json", {"hz": rate, "classes": classes, "channels": channels, "units": units})


def _write_pictures(root: Path) -> None:
    """Grey arrays, an archive of labelled files of several sizes and formats, and one with questions."""
    chance = np.random.default_rng(5)
    grey, coloured, asked = root / "grey", root / "coloured", root / "asked"
    for folder in (grey, coloured, asked):
        folder.mkdir(parents=True)
    arrays: dict[str, Values] = {}
    for part, count in (("train", 12), ("test", 6)):
        arrays[f"x_{part}"] = np.stack([striped(k, chance) for k in (0, 1) for _ in range(count)])
        arrays[f"y_{part}"] = np.repeat([0, 1], count)
    save_arrays(grey / "data.npz", arrays)
    write_json(grey / "meta.json", {"classes": ["bars", "columns"]})

    files: dict[str, bytes] = {}
    rows: list[dict[str, Any]] = []
    for part, count in (("train", 12), ("test", 6)):
        for label, colour in enumerate(COLOURS.values()):
            for number in range(count):
                suffix = "jpg" if number % 2 else "png"
                name = f"{part}_{label}_{number}.{suffix}"
                side = 12 + 5 * number
                noisy = np.array(colour) + chance.normal(0, 20, (side, side + 3, 3))
                files[name] = picture_file(noisy.clip(0, 255).astype(np.uint8), suffix)
                rows.append({"file": name, "split": part, "label": label})
    write_archive(coloured, files, rows)
    write_json(coloured / "meta.json", {"task": "colours, numbered"})

    files, rows = {}, []
    for part in ("train", "test"):
        for shape, shade in (("circle", "red"), ("triangle", "blue")):
            for number in range(6):
                name = f"{part}_{shape}_{number}.png"
                plain = np.full((20, 20, 3), COLOURS[shade], np.uint8)
                plain[6:14, 6 : 14 if shape == "circle" else 9] = 250
                files[name] = picture_file(plain, "png")
                rows += questions(name, part, shade, shape)
    write_archive(asked, files, rows)
    write_json(asked / "meta.json", {"answers": ["yes", "no"]})


def striped(kind: int, chance: np.random.Generator) -> Values:
    """28 by 28 grey pixels with bars, or with columns."""
    wave = (np.arange(28) // 4 % 2 * 180)[:, None] + chance.normal(30, 10, (28, 28))
    return np.asarray((wave.T if kind else wave).clip(0, 255).astype(np.uint8))


def questions(name: str, part: str, colour: str, shape: str) -> list[dict[str, Any]]:
    """One that tells the colour, one that tells the shape, and two that tell neither."""
    asked = [
        (f"what color is the {shape}?", colour),
        ("is there a teal shape in the image?", "no"),
        (f"is there not a {shape} in the image?", "no"),
        ("does the image not contain a rectangle?", "yes"),
    ]
    return [{"file": name, "split": part, "question": question, "answer": answer} for question, answer in asked]


def picture_file(pixels: Values, suffix: str) -> bytes:
    """PNG or JPEG."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, {"png": "PNG", "jpg": "JPEG"}[suffix])
    return out.getvalue()


def tar(files: dict[str, bytes]) -> bytes:
    """An archive whose names begin with `./`, as tar writes those of a directory."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def write_archive(folder: Path, files: dict[str, bytes], rows: list[dict[str, Any]]) -> None:
    """Pictures and their manifest."""
    (folder / "images.tar.zst").write_bytes(zstandard.compress(tar(files)))
    write_manifest(folder, rows)


def write_manifest(folder: Path, rows: Sequence[Any]) -> None:
    """Of pictures, packed."""
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "manifest.jsonl.zst").write_bytes(zstandard.compress(text.encode()))


def _write_sounds(root: Path) -> None:
    """Tones, and a set of tones and noise; from shorter than a window to longer than what is kept."""
    chance = np.random.default_rng(7)
    for folder, classes in (("tones", list(PITCHES)), ("hisses", ["tone", "hiss"])):
        files, rows = {}, []
        for part, count in (("train", 12), ("test", 6)):
            for label, name in enumerate(classes):
                for number in range(count):
                    file = f"{part}_{name}_{number}.flac"
                    files[file] = sound_file(heard(name, 0.2 + 0.27 * (number % 6), chance))
                    rows.append({"file": file, "split": part, "label": label})
        (root / folder).mkdir(parents=True)
        (root / folder / "audio.tar").write_bytes(tar(files))
        (root / folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        write_json(root / folder / "meta.json", {"classes": classes})


def heard(kind: str, seconds: float, chance: np.random.Generator) -> Values:
    """Mono samples at 16 kHz."""
    time = np.arange(round(16_000 * seconds)) / 16_000
    if kind == "hiss":
        return np.asarray(chance.normal(0, 0.1, len(time)))
    pitch = PITCHES.get(kind, 900.0) * chance.uniform(0.9, 1.1)
    swelling = np.sin(np.pi * np.linspace(0.1, 1, len(time)))
    return np.asarray(0.3 * swelling * np.sin(2 * np.pi * pitch * time) + chance.normal(0, 0.003, len(time)))


def sound_file(samples: Values, rate: int = 16_000, form: str = "FLAC", subtype: str | None = None) -> bytes:
    """FLAC unless told otherwise."""
    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=form, subtype=subtype)
    return out.getvalue()


def save_arrays(path: Path, arrays: dict[str, Values]) -> None:
    """An `.npz`."""
    np.savez(path, allow_pickle=False, **arrays)


def write_json(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values))
