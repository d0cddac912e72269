"""Pictures that scikit-image and scikit-learn bring along, whose terms allow what is made of them to be shipped.

Photographs are CC0, in the public domain or without known restrictions as scikit-image documents them; of `moon` and `page`
it says nothing but its own licence (BSD-3-Clause). `china` and `flower` are CC BY 2.0 (scikit-learn). Those of `HELD` are
never trained on. Drawn pictures come beside them.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from ..errors import InputError

Pixels = npt.NDArray[np.uint8]

HELD = ("astronaut", "chelsea", "coffee", "flower")
"""The test set."""
_OF_SKIMAGE = {
    "astronaut": "png", "chelsea": "png", "coffee": "png",
    "rocket": "jpg", "camera": "png", "brick": "png", "grass": "png", "gravel": "png", "coins": "png", "moon": "png",
    "retina": "jpg", "hubble_deep_field": "jpg", "ihc": "png", "page": "png", "text": "png", "clock_motion": "png",
    "cell": "png",
}  # fmt: skip
_OF_SKLEARN = {"china": "jpg", "flower": "jpg"}
TRAINED = tuple(name for name in (*_OF_SKIMAGE, *_OF_SKLEARN) if name not in HELD)
"""What is learned from, beside drawn pictures."""
_WORDS = (
    "Loam", "reads,", "hears", "and", "draws", "0123456789", "the", "quick", "brown", "fox", "jumps", "over", "lazy",
    "dogs", "&", "cats;", "ÄÖÜ", "(x", "+", "y)",
)  # fmt: skip
_OVERSAMPLED = 3


def photograph(name: str) -> Pixels:
    """`[height, width, 3]`.

    Raises:
        InputError: where the package that brings it is not installed.
    """
    package, folder, ending = (
        ("skimage", "data", _OF_SKIMAGE[name])
        if name in _OF_SKIMAGE
        else ("sklearn", "datasets/images", _OF_SKLEARN[name])
    )
    found = importlib.util.find_spec(package)
    path = Path((found.origin if found else None) or package).parent / folder / f"{name}.{ending}"
    if not path.is_file():
        raise InputError(path, f"there is no such picture; training/requirements.txt names the package ({package})")
    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB"))


def drawn(seed: int, side: int) -> Pixels:
    """Overlapping shapes, lines and words on a gradient, with smooth edges."""
    chance = np.random.default_rng(seed)
    large = side * _OVERSAMPLED

    def colour() -> tuple[int, int, int]:
        red, green, blue = chance.integers(0, 256, 3).tolist()
        return red, green, blue

    def place() -> tuple[float, float]:
        x, y = (chance.random(2) * large).tolist()
        return x, y

    ramp = np.linspace(0, 1, large)[:, None, None]
    ground = ramp * np.array(colour()) + (1 - ramp) * np.array(colour())
    picture = Image.fromarray(np.broadcast_to(ground, (large, large, 3)).astype(np.uint8))
    if chance.random() < 0.5:
        picture = picture.transpose(Image.Transpose.ROTATE_90)
    pen = ImageDraw.Draw(picture)
    for _ in range(int(chance.integers(4, 14))):
        (x, y), size, fill = place(), float(chance.uniform(0.04, 0.4) * large), colour()
        match int(chance.integers(0, 5)):
            case 0:
                pen.ellipse((x, y, x + size, y + size * chance.uniform(0.3, 1)), fill=fill)
            case 1:
                pen.rectangle((x, y, x + size, y + size * chance.uniform(0.3, 1)), fill=fill)
            case 2:
                pen.polygon([place() for _ in range(3)], fill=fill)
            case 3:
                pen.line([place(), place()], fill=fill, width=int(chance.integers(1, 7)) * _OVERSAMPLED)
            case _:
                font = ImageFont.load_default(size=float(chance.uniform(10, 40) * _OVERSAMPLED))
                pen.text((x - size, y), " ".join(chance.permutation(_WORDS)[:4]), fill=fill, font=font)
    return np.asarray(picture.resize((side, side), Image.Resampling.BOX))


def reduced(picture: Pixels, scale: int) -> Pixels:
    """Smaller by `scale`, bicubic with the kernel widened as the low-resolution pictures of Set5 were made."""
    height, width = picture.shape[0] // scale, picture.shape[1] // scale
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))


def enlarged(picture: Pixels, scale: int) -> Pixels:
    """Larger by `scale`, bicubic: what a network has to beat."""
    height, width = picture.shape[0] * scale, picture.shape[1] * scale
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))


def multiple(picture: Pixels, scale: int) -> Pixels:
    """Without the last rows and columns, so that both sides are multiples of `scale`."""
    height, width = (side // scale * scale for side in picture.shape[:2])
    return picture[:height, :width]


def write_set(out: Path, scale: int) -> list[str]:
    """Writes the held-out pictures as Set5 is published; their names."""
    folder = out / f"image_SRF_{scale}"
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(HELD, 1):
        high = multiple(photograph(name), scale)
        for part, picture in (("HR", high), ("LR", reduced(high, scale))):
            Image.fromarray(picture).save(folder / f"img_{number:03}_SRF_{scale}_{part}.png")
    return list(HELD)
