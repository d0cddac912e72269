"""Cases of boxes and poses, by pycocotools and the tool of LVIS."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

Case = dict[str, Any]
IMAGES, CATEGORIES = 12, 4
SIGMAS = [0.025, 0.107, 0.035, 0.079, 0.072]


def cases() -> dict[str, list[Case]]:
    return {
        "coco": [coco(seed) for seed in range(4)],
        "lvis": [lvis(seed) for seed in range(3)],
        "poses": [poses(seed) for seed in range(3)],
    }


def rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 2) for value in values]


def boxes(seed: int) -> tuple[list[Case], list[Case]]:
    draw = np.random.default_rng(seed)
    right, found = [], []
    for image in range(1, IMAGES + 1):
        for _ in range(draw.integers(0, 7)):
            size = draw.choice([12.0, 30.0, 70.0, 150.0]) * draw.uniform(0.7, 1.3, 2)
            box = rounded(np.array([*draw.uniform(0, 300, 2), *size]))
            category = int(draw.integers(1, CATEGORIES + 1))
            crowd = int(draw.random() < 0.1)
            area = round(box[2] * box[3] * draw.uniform(0.5, 1.0), 2)
            right.append({"image_id": image, "category_id": category, "bbox": box, "area": area, "iscrowd": crowd})
            for _ in range(draw.integers(0, 3)):
                moved = np.array(box) + draw.normal(0, 0.12, 4) * np.array([*box[2:], *box[2:]])
                moved[2:] = np.maximum(moved[2:], 1)
                kind = category if draw.random() < 0.8 else int(draw.integers(1, CATEGORIES + 1))
                # Few values: some scores are equal.
                score = round(float(draw.random()), 1 + int(draw.integers(0, 3)))
                found.append({"image_id": image, "category_id": kind, "bbox": rounded(moved), "score": score})
    return found, right


def coco_of(annotations: list[Case], **more: Any) -> COCO:
    made = COCO()
    images = [{"id": i, "width": 500, "height": 500} for i in range(1, IMAGES + 1)]
    categories = [{"id": i, "name": str(i), **more} for i in range(1, CATEGORIES + 1)]
    numbered = [{"id": i + 1, **one} for i, one in enumerate(annotations)]
    made.dataset = {"images": images, "categories": categories, "annotations": numbered, "info": {}}
    made.createIndex()
    return made


def coco(seed: int) -> Case:
    found, right = boxes(seed)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco_of(right)
        run = COCOeval(truth, truth.loadRes([dict(one) for one in found]), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return {"found": found, "right": right, "expected": [float(value) for value in run.stats[:6]]}


def lvis(seed: int) -> Case:
    np.float = float  # type: ignore[attr-defined]  # the tool is older than numpy 1.24
    # Its package imports OpenCV to draw pictures; the two modules that score do not.
    package = types.ModuleType("lvis")
    package.__path__ = [str(Path(p) / "lvis") for p in sys.path if (Path(p) / "lvis" / "eval.py").exists()]
    sys.modules["lvis"] = package
    modules = {name: importlib.import_module(f"lvis.{name}") for name in ["lvis", "results", "eval"]}
    found, right = boxes(seed + 10)
    draw = np.random.default_rng(seed)
    for one in right:
        one["iscrowd"] = 0
    images, absent, partial = [], {}, {}
    for image in range(1, IMAGES + 1):
        present = {one["category_id"] for one in right if one["image_id"] == image}
        rest = [c for c in range(1, CATEGORIES + 1) if c not in present]
        absent[image] = [c for c in rest if draw.random() < 0.5]
        partial[image] = [c for c in sorted(present) if draw.random() < 0.3]
        images.append(
            {
                "id": image,
                "width": 500,
                "height": 500,
                "neg_category_ids": absent[image],
                "not_exhaustive_category_ids": partial[image],
            }
        )
    categories = [{"id": i, "name": str(i), "frequency": "rcf"[i % 3]} for i in range(1, CATEGORIES + 1)]
    annotations = [{"id": i + 1, "segmentation": [], **one} for i, one in enumerate(right)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "truth.json"
        path.write_text(json.dumps({"images": images, "categories": categories, "annotations": annotations}))
        with contextlib.redirect_stdout(io.StringIO()):
            truth = modules["lvis"].LVIS(str(path))
            results = modules["results"].LVISResults(truth, [dict(one) for one in found])
            run = modules["eval"].LVISEval(truth, results, "bbox")
            run.run()
    expected = [float(run.results[name]) for name in ["AP", "AP50", "AP75", "APs", "APm", "APl"]]
    return {"found": found, "right": right, "absent": absent, "partial": partial, "expected": expected}


def poses(seed: int) -> Case:
    draw = np.random.default_rng(seed)
    points = len(SIGMAS)
    right, found = [], []
    for image in range(1, IMAGES + 1):
        for _ in range(draw.integers(0, 4)):
            corner, size = draw.uniform(0, 300, 2), draw.uniform(40, 200, 2)
            places = corner + draw.random((points, 2)) * size
            seen = draw.integers(0, 3, points) if draw.random() < 0.85 else np.zeros(points, int)
            flat = [[round(float(x), 2), round(float(y), 2), int(v)] for (x, y), v in zip(places, seen, strict=True)]
            right.append(
                {
                    "image_id": image,
                    "category_id": 1,
                    "bbox": rounded(np.array([*corner, *size])),
                    "area": round(float(size.prod() * 0.6), 2),
                    "iscrowd": int(draw.random() < 0.1),
                    "points": flat,
                }
            )
            for _ in range(draw.integers(0, 3)):
                moved = places + draw.normal(0, 0.06, places.shape) * size
                score = round(float(draw.random()), 2)
                found.append(
                    {"image_id": image, "category_id": 1, "score": score, "points": [rounded(point) for point in moved]}
                )

    def flat_points(one: Case, visible: bool) -> Case:
        values = [value for point in one["points"] for value in (point if visible else [*point, 1])]
        kept = {key: value for key, value in one.items() if key != "points"}
        return {**kept, "keypoints": values, "num_keypoints": sum(v > 0 for v in values[2::3])}

    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco_of([flat_points(one, True) for one in right])
        run = COCOeval(truth, truth.loadRes([flat_points(one, False) for one in found]), "keypoints")
        run.params.kpt_oks_sigmas = np.array(SIGMAS)
        run.params.catIds = [1]
        run.evaluate()
        run.accumulate()
        run.summarize()
    return {"sigmas": SIGMAS, "found": found, "right": right, "expected": [float(value) for value in run.stats[:5]]}
