"""Models that others made and published, as files of LiteRT: what a task costs with one of them and, where classes meet, how
well it does.

They know more classes than the sets that they are asked here, and saw none of these.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..data.published import meta, place_of, rows
from .peer import Ready, Timed, spread
from .speech import RATE, sounds

_LIBRARIES = ("numpy", "ai_edge_litert.interpreter")
_FRAME, _HOP = 15_600, 7_680
"""Samples that YAMNet takes, and from one to the next."""
_SIDE = 224
Joined = Callable[[Iterable[float]], float]
"""From the answers of a class's places to the class's."""

SOUNDS: dict[str, tuple[str, ...]] = {
    "dog bark": ("Dog", "Bark"),
    "rain": ("Rain", "Raindrop", "Rain on surface"),
    "sea waves": ("Ocean", "Waves, surf"),
    "baby cry": ("Baby cry, infant cry",),
    "clock tick": ("Clock", "Tick", "Tick-tock"),
    "person sneeze": ("Sneeze",),
    "helicopter": ("Helicopter",),
    "chainsaw": ("Chainsaw",),
    "rooster": ("Chicken, rooster", "Crowing, cock-a-doodle-doo"),
    "fire crackling": ("Fire", "Crackle"),
}
"""Classes of AudioSet for those of ESC-10."""
OBJECTS: dict[str, tuple[tuple[int, int], ...]] = {
    "airplane": ((405, 406), (896, 897)),
    "automobile": (
        (437, 438),
        (469, 470),
        (512, 513),
        (610, 611),
        (628, 629),
        (657, 658),
        (662, 663),
        (752, 753),
        (818, 819),
    ),
    "bird": ((8, 26), (81, 102), (128, 148)),
    "cat": ((282, 287),),
    "deer": ((352, 355),),
    "dog": ((152, 270),),
    "frog": ((31, 34),),
    "horse": ((340, 341),),
    "ship": (
        (404, 405),
        (473, 474),
        (485, 486),
        (511, 512),
        (555, 556),
        (626, 627),
        (629, 630),
        (725, 726),
        (781, 782),
        (815, 816),
        (872, 873),
        (915, 916),
    ),
    "truck": ((556, 557), (570, 571), (676, 677), (718, 719), (865, 866), (868, 869)),
}
"""Places of ImageNet's classes for those of CIFAR-10, behind one of the background: first, and one behind the last."""


@dataclass(frozen=True)
class Foreign:
    """A model of another maker."""

    name: str
    folder: str
    file: str
    task: str
    set: str
    rows: Callable[[Path], tuple[list[Any], list[str]]]
    """From the folder of all sets: windows `[N, ...]` each, and the classes that are right."""
    groups: Callable[[Path], Mapping[str, Sequence[int]]]
    """From its folder: places of its classes for each of the set's; none where classes do not meet."""
    joined: Joined

    def ready(self, windows: list[Any], models: Path) -> Ready:
        """As a process of its own loads it."""
        return Ready("tflite", _LIBRARIES, (models / self.folder / self.file).read_bytes(), windows)

    def score(self, models: Path, wanted: Sequence[str], timed: Timed) -> float | None:
        """The share of rows that are right."""
        groups = self.groups(models / self.folder)
        return _right(groups, self.joined, wanted, timed) if groups else None


def operators(path: Path) -> tuple[int, int]:
    """Operators of a file of LiteRT, and of how many kinds they are."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    found = Interpreter(str(path), experimental_op_resolver_type=plain)._get_ops_details()
    return len(found), len({one["op_name"] for one in found})


def _framed(samples: np.ndarray) -> np.ndarray:
    """Frames of YAMNet; the last one is filled up with silence."""
    count = max(1, -(-(len(samples) - _FRAME) // _HOP) + 1)
    padded = np.pad(samples, (0, max(0, (count - 1) * _HOP + _FRAME - len(samples))))
    return np.stack([padded[at * _HOP : at * _HOP + _FRAME] for at in range(count)]).astype(np.float32)


def _scenes(root: Path) -> tuple[list[Any], list[str]]:
    found, listed = sounds(place_of(root, "audio/esc10"), "test", 1_000)
    return [_framed(samples) for samples in found], [row["text"] for row in listed]


def _right(groups: Mapping[str, Sequence[int]], joined: Joined, wanted: Sequence[str], timed: Timed) -> float:
    """The class whose joined places have most answers, if one has more than the others."""
    right = 0
    for scores, name in zip(timed.answers, wanted, strict=True):
        found = {one: joined(scores[place] for place in places) for one, places in groups.items()}
        best = [one for one, score in found.items() if score == max(found.values())]
        right += best == [name]
    return right / len(wanted)


def _sounds(folder: Path) -> Mapping[str, Sequence[int]]:
    import csv

    with (folder / "yamnet_class_map.csv").open(newline="", encoding="utf-8") as file:
        places = {row["display_name"]: int(row["index"]) for row in csv.DictReader(file)}
    return {one: [places[name] for name in names] for one, names in SOUNDS.items()}


def _photographs(root: Path) -> tuple[list[Any], list[str]]:
    import zstandard

    folder = place_of(root, "cv/cifar10")
    listed = [row for row in rows(folder, "manifest") if row["split"] == "test"]
    chosen = [listed[at] for at in spread(len(listed), 300)]
    classes = meta(folder)["classes"]
    wanted = {row["file"] for row in chosen}
    content = {}
    with zstandard.open(folder / "images.tar.zst", "rb") as stream, tarfile.open(fileobj=stream, mode="r|") as packed:
        for member in packed:
            name = member.name.removeprefix("./")
            stored = packed.extractfile(member) if name in wanted else None
            if stored:
                shown = (
                    Image.open(io.BytesIO(stored.read()))
                    .convert("RGB")
                    .resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
                )
                content[name] = np.asarray(shown)[None]
    return [content[row["file"]] for row in chosen], [classes[row["label"]] for row in chosen]


def _objects(_: Path) -> Mapping[str, Sequence[int]]:
    return {
        one: [place for first, behind in ranges for place in range(first, behind)] for one, ranges in OBJECTS.items()
    }


def _words(root: Path) -> tuple[list[Any], list[str]]:
    found, _ = sounds(place_of(root, "audio/fsdd"), "test", 100)
    return [np.pad(samples[:RATE], (0, max(0, RATE - len(samples))))[None] for samples in found], []


FOREIGN = (
    Foreign("KWT-1", "kwt-1", "non_stream.tflite", "T37", "audio/fsdd", _words, lambda _: {}, max),
    # Each of its classes is a yes or a no of its own.
    Foreign("YAMNet", "yamnet", "yamnet.tflite", "T36", "audio/esc10", _scenes, _sounds, max),
    # Its classes are chances that come to one.
    Foreign(
        "MobileNetV2, 8 bits", "mobilenet-v2", "tf2_mobilenet_v2_1.0_224_ptq.tflite", "T22", "cv/cifar10",
        _photographs, _objects, sum,
    ),
)  # fmt: skip
