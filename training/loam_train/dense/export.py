"""Test scenes as files, in the forms in which published sets of the same tasks come, so that whatever reads these scores the
heads, too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import savemat
from tqdm import tqdm

from .scenes import LABELS, SIDE, Scene, scene, sources

FIRST_SEED = 1 << 41
"""Of scenes that neither training nor its test has seen."""
_ADE_CLASSES = 150


def export(root: Path, out: Path, count: int) -> dict[str, int]:
    """Writes `count` scenes of each kind below `out`; how many pictures each folder has.

    - `detection`: as COCO 2017, boxes of garments and digits.
    - `segmentation`: as ADE20K, garments, digits and the ground.
    - `counting`: as UCF-QNRF, the middles of digits.
    - `matting`: as RefMatte-RW100, the opacity of a garment.

    Raises:
        InputError: naming a file of the sets that is missing.
    """
    given = sources(root, "test")
    writers = {"things": _coco, "scene": _ade20k, "crowd": _ucf_qnrf, "portrait": _refmatte}
    names = {"things": "detection", "scene": "segmentation", "crowd": "counting", "portrait": "matting"}
    for kind, write in writers.items():
        numbers = tqdm(range(count), desc=names[kind], mininterval=2, unit="scene", leave=False)
        write(out / names[kind], [scene(kind, given, FIRST_SEED + number) for number in numbers])
    return dict.fromkeys(names.values(), count)


def _save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Colours as they are: the things were learned without traces of compression.
    Image.fromarray(pixels).save(path, quality=98, subsampling=0)


def _write(value: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value) + "\n")


def _coco(out: Path, scenes: Sequence[Scene]) -> None:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, seen in enumerate(scenes, 1):
        name = f"{number:012}.jpg"
        _save(seen.picture, out / "val2017" / name)
        images.append({"id": number, "file_name": name, "width": SIDE, "height": SIDE})
        for thing in seen.things:
            box = [float(v) for v in (thing.left, thing.top, thing.right - thing.left, thing.bottom - thing.top)]
            annotations.append({
                "id": len(annotations) + 1, "image_id": number, "category_id": thing.label + 1, "bbox": box,
                "area": box[2] * box[3], "iscrowd": 0,
            })  # fmt: skip
    categories = [{"id": label + 1, "name": name} for label, name in enumerate(LABELS)]
    described = {"images": images, "annotations": annotations, "categories": categories}
    _write(described, out / "annotations" / "instances_val2017.json")


def _ade20k(out: Path, scenes: Sequence[Scene]) -> None:
    # Its zero is what does not count; the ground does.
    names = [*LABELS, "ground", *(f"none {number}" for number in range(len(LABELS) + 2, _ADE_CLASSES + 1))]
    lines = ["Idx\tRatio\tTrain\tVal\tName", *(f"{number}\t0\t0\t0\t{name}" for number, name in enumerate(names, 1))]
    out.mkdir(parents=True, exist_ok=True)
    (out / "objectInfo150.txt").write_text("\n".join(lines) + "\n")
    for number, seen in enumerate(scenes, 1):
        name = f"ADE_val_{number:08}"
        _save(seen.picture, out / "images" / "validation" / f"{name}.jpg")
        ground = len(LABELS) + 1
        _save(
            np.where(seen.classes == 0, ground, seen.classes).astype(np.uint8),
            out / f"annotations/validation/{name}.png",
        )


def _ucf_qnrf(out: Path, scenes: Sequence[Scene]) -> None:
    for number, seen in enumerate(scenes, 1):
        name = f"img_{number:04}"
        _save(seen.picture, out / "Test" / f"{name}.jpg")
        middles = [((thing.left + thing.right) / 2, (thing.top + thing.bottom) / 2) for thing in seen.things]
        points = np.asarray(middles, np.float64).reshape(-1, 2)
        savemat(out / "Test" / f"{name}_ann.mat", {"annPoints": points}, do_compression=True)


def _refmatte(out: Path, scenes: Sequence[Scene]) -> None:
    labels = {}
    for number, seen in enumerate(scenes, 1):
        name = f"scene_{number:04}"
        _save(seen.picture, out / "image_all" / f"{name}.jpg")
        _save((seen.alpha * 255).round().astype(np.uint8), out / "mask" / f"{name}.png")
        labels[name] = {"image_name": name, "expressions": ["the garment"]}
    _write(labels, out / "refmatte_rw100_label.json")
