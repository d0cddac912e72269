"""Scenes whose every pixel is known: things of Fashion-MNIST and MNIST, and stick figures, before photographs of CIFAR-10.

No set at hand has boxes, masks, points or counts, so that scenes are put together. Things, photographs and figures of test
scenes come from the sets' test splits, and are not in training ones.
"""

from __future__ import annotations

import json
import math
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
import zstandard
from PIL import Image, ImageDraw, ImageFilter

from ..errors import InputError

SIDE = 128
"""Rows and columns of a scene."""
LABELS = ("garment", "digit")
JOINTS = ("head", "neck", "left hand", "right hand", "hip", "left foot", "right foot")
MOST_PHOTOGRAPHS = 2_000
_INK = 60
"""A thing's pixels that are darker belong to the ground that it lay on."""


@dataclass(frozen=True)
class Sources:
    """What scenes are made of."""

    photographs: np.ndarray
    """`[N, 32, 32, 3]` bytes."""
    things: tuple[np.ndarray, np.ndarray]
    """Grey pictures `[N, 28, 28]` of each label."""


@dataclass(frozen=True)
class Thing:
    """Where a thing is, in pixels of the scene."""

    label: int
    left: float
    top: float
    right: float
    bottom: float


@dataclass
class Scene:
    """A picture with all that is known of it."""

    picture: np.ndarray
    """`[SIDE, SIDE, 3]` bytes."""
    classes: np.ndarray
    """`[SIDE, SIDE]`: 0 for the ground, else the thing's label and one."""
    alpha: np.ndarray
    """`[SIDE, SIDE]`: how much of a pixel belongs to the first thing, 0 to 1."""
    things: list[Thing] = field(default_factory=list)
    joints: list[tuple[float, float]] = field(default_factory=list)
    """Of the figure, x and y in pixels."""


def sources(root: Path, split: str) -> Sources:
    """Reads what scenes of `split`, `train` or `test`, are made of, from the folder of all sets.

    Raises:
        InputError: naming the file that is missing.
    """
    grey = []
    for name in ("fashion_mnist", "mnist"):
        path = root / "cv" / name / "data.npz"
        try:
            with np.load(path) as stored:
                grey.append(stored[f"x_{split}"])
        except (OSError, KeyError) as error:
            raise InputError(path, str(error)) from error
    photographs = np.stack(list(_photographs(root / "cv" / "cifar10", split)))
    return Sources(photographs, (grey[0], grey[1]))


def _photographs(folder: Path, split: str) -> Iterator[np.ndarray]:
    try:
        lines = zstandard.ZstdDecompressor().stream_reader((folder / "manifest.jsonl.zst").read_bytes()).read()
        wanted = {row["file"] for row in map(json.loads, lines.splitlines()) if row["split"] == split}
        with (folder / "images.tar.zst").open("rb") as packed:
            stream = zstandard.ZstdDecompressor().stream_reader(packed)
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                count = 0
                for member in archive:
                    data = archive.extractfile(member)
                    if data is None or member.name.removeprefix("./") not in wanted:
                        continue
                    yield np.asarray(Image.open(BytesIO(data.read())).convert("RGB").resize((32, 32)))
                    count += 1
                    if count == MOST_PHOTOGRAPHS:
                        return
    except (OSError, tarfile.TarError, zstandard.ZstdError, KeyError) as error:
        raise InputError(folder, str(error)) from error


def _ground(chance: np.random.Generator, given: Sources) -> Image.Image:
    photograph = given.photographs[chance.integers(len(given.photographs))]
    ground = Image.fromarray(photograph).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return ground.filter(ImageFilter.GaussianBlur(chance.uniform(0, 2)))


def _paste(
    scene: Scene, ground: Image.Image, chance: np.random.Generator, given: Sources, label: int, sides: tuple[int, int]
) -> bool:
    """Puts a thing where it hides no more than a little of those that are there; whether there was room."""
    grey = given.things[label][chance.integers(len(given.things[label]))]
    side = int(chance.integers(*sides))
    pixels = Image.fromarray(grey).resize((side, side), Image.Resampling.BICUBIC)
    alpha = np.clip((np.asarray(pixels, np.float32) - _INK / 2) / _INK, 0, 1)
    rows, columns = np.flatnonzero(alpha.max(1) > 0.5), np.flatnonzero(alpha.max(0) > 0.5)
    if not len(rows) or not len(columns):
        return False
    x, y = (int(v) for v in chance.integers(0, SIDE - side + 1, 2))
    inside = scene.classes[y : y + side, x : x + side]
    solid = alpha > 0.5
    if (inside[solid] > 0).mean() > 0.02:
        return False
    colour = Image.new("RGB", (side, side), tuple(int(v) for v in chance.integers(0, 256, 3)))
    shaded = Image.blend(Image.merge("RGB", [pixels] * 3), colour, 0.45)
    ground.paste(shaded, (x, y), Image.fromarray((alpha * 255).astype(np.uint8)))
    inside[solid] = label + 1
    if not scene.things:
        scene.alpha[y : y + side, x : x + side] = alpha
    scene.things.append(Thing(label, x + columns[0], y + rows[0], x + columns[-1] + 1, y + rows[-1] + 1))
    return True


def _figure(scene: Scene, ground: Image.Image, chance: np.random.Generator) -> None:
    """A stick figure: a pose that no two scenes share."""
    size = chance.uniform(0.5, 1.0) * 60
    hip = np.array([chance.uniform(40, SIDE - 40), chance.uniform(50, SIDE - 45)])

    def along(start: np.ndarray, degrees: float, length: float) -> np.ndarray:
        turn = math.radians(degrees)
        return start + length * np.array([math.sin(turn), -math.cos(turn)])

    lean = chance.normal(0, 15)
    neck = along(hip, lean, 0.45 * size)
    head = along(neck, lean + chance.normal(0, 12), 0.2 * size)
    hands = [along(neck, lean + side * chance.uniform(30, 160), 0.4 * size) for side in (-1, 1)]
    feet = [along(hip, 180 + side * chance.uniform(5, 45), 0.5 * size) for side in (1, -1)]
    colour = tuple(int(v) for v in chance.integers(0, 256, 3))
    width = max(2, int(0.07 * size))
    drawing = ImageDraw.Draw(ground)
    for start, end in [(hip, neck), (neck, head), *((neck, hand) for hand in hands), *((hip, foot) for foot in feet)]:
        drawing.line([*start, *end], fill=colour, width=width)
    radius = 0.12 * size
    drawing.ellipse([*(head - radius), *(head + radius)], fill=colour)
    # One foot is marked, or left and right could not be told apart.
    mark = 0.05 * size
    for point in (hands[0], feet[0]):
        drawing.ellipse([*(point - mark), *(point + mark)], fill=(255 - colour[0], 255 - colour[1], 255 - colour[2]))
    scene.joints = [(float(p[0]), float(p[1])) for p in (head, neck, hands[0], hands[1], hip, feet[0], feet[1])]


def scene(kind: str, given: Sources, seed: int) -> Scene:
    """The scene of a seed: of garments and digits (`scene`, `things`), of digits alone (`crowd`), of one garment
    (`portrait`), or of a figure (`pose`)."""
    chance = np.random.default_rng(seed)
    empty = np.zeros((SIDE, SIDE))
    made = Scene(empty, np.zeros((SIDE, SIDE), np.int64), empty.astype(np.float32))
    ground = _ground(chance, given)
    if kind == "pose":
        _figure(made, ground, chance)
    elif kind == "portrait":
        while not _paste(made, ground, chance, given, 0, (64, 112)):
            pass
    elif kind == "crowd":
        for _ in range(int(chance.integers(0, 25))):
            _paste(made, ground, chance, given, 1, (18, 30))
    else:
        for _ in range(int(chance.integers(1, 6))):
            _paste(made, ground, chance, given, int(chance.integers(2)), (30, 60))
    made.picture = np.asarray(ground)
    return made
