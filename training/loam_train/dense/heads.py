"""Kinds of dense heads: their stages, what is asked of their planes, and how well they meet it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, interpolate, softplus

from .scenes import JOINTS, LABELS, SIDE, Scene

Planes = torch.Tensor
"""`[B, planes, rows, columns]`."""


def _conv(outputs: int, side: int, bias: bool) -> dict[str, Any]:
    pad = side // 2
    return {"type": "conv", "outputs": outputs, "kernel": [side, side], "padding": [pad, pad], "bias": bias}


def stages(planes: int, doublings: int) -> list[dict[str, Any]]:
    """Convolutions that narrow states and make them larger as often as asked: fewer channels where there are more places."""
    norm, relu = {"type": "batch_norm"}, {"type": "activation", "kind": "relu"}
    made = [_conv(64, 1, False), norm, relu]
    for width in (48, 24)[:doublings]:
        made += [_conv(width, 3, False), norm, relu, {"type": "upsample", "factor": 2}]
    return [*made, _conv(24, 3, False), norm, relu, _conv(planes, 1, True)]


@dataclass(frozen=True)
class Kind:
    """One kind of head."""

    scenes: str
    gives: str
    labels: tuple[str, ...]
    planes: int
    doublings: int
    loss: Callable[[Planes, Sequence[Scene]], torch.Tensor]
    score: Callable[[Planes, Sequence[Scene]], dict[str, float]]
    """Of all test scenes; the first one is the head's own, and higher is better."""


def _cells(planes: Planes) -> int:
    return SIDE // planes.shape[-1]


def _classes(planes: Planes, scenes: Sequence[Scene]) -> torch.Tensor:
    return torch.from_numpy(np_stack([scene.classes for scene in scenes]))


def np_stack(arrays: Sequence[Any]) -> Any:
    """As numpy does it."""
    import numpy as np

    return np.stack(arrays)


def stretched(planes: Planes) -> Planes:
    """As large as the picture."""
    return interpolate(planes, size=(SIDE, SIDE), mode="bilinear", align_corners=False)


def _segment_loss(planes: Planes, scenes: Sequence[Scene]) -> torch.Tensor:
    return cross_entropy(stretched(planes), _classes(planes, scenes))


def _segment_score(planes: Planes, scenes: Sequence[Scene]) -> dict[str, float]:
    found, wanted = stretched(planes).argmax(1), _classes(planes, scenes)
    overlaps = [
        float(((found == c) & (wanted == c)).sum() / ((found == c) | (wanted == c)).sum().clamp(min=1))
        for c in range(planes.shape[1])
    ]
    return {"miou": sum(overlaps) / len(overlaps), "pixel_accuracy": float((found == wanted).double().mean())}


def _alphas(scenes: Sequence[Scene]) -> torch.Tensor:
    return torch.from_numpy(np_stack([scene.alpha for scene in scenes]))[:, None]


def _mask_loss(planes: Planes, scenes: Sequence[Scene]) -> torch.Tensor:
    found, wanted = stretched(planes), _alphas(scenes)
    return binary_cross_entropy_with_logits(found, wanted) + (torch.sigmoid(found) - wanted).abs().mean()


def _mask_score(planes: Planes, scenes: Sequence[Scene]) -> dict[str, float]:
    found, wanted = torch.sigmoid(stretched(planes)), _alphas(scenes)
    both = ((found > 0.5) & (wanted > 0.5)).sum((1, 2, 3)) / ((found > 0.5) | (wanted > 0.5)).sum((1, 2, 3)).clamp(
        min=1
    )
    return {"iou": float(both.double().mean()), "mae": float((found - wanted).abs().mean())}


def _density_loss(planes: Planes, scenes: Sequence[Scene]) -> torch.Tensor:
    cell, side = _cells(planes), planes.shape[-1]
    wanted = torch.zeros(len(scenes), side, side)
    for at, scene in enumerate(scenes):
        for thing in scene.things:
            x, y = (thing.left + thing.right) / 2 / cell, (thing.top + thing.bottom) / 2 / cell
            wanted[at] += _bump(x, y, side, 1.2, total=True)
    found = planes[:, 0]
    counts = (found.relu().sum((1, 2)) - wanted.sum((1, 2))).abs().mean()
    return 100 * ((found - wanted) ** 2).mean() + 0.02 * counts


def _bump(x: float, y: float, side: int, width: float, *, total: bool) -> torch.Tensor:
    """A bell around a point in places; of sum 1, or of height 1."""
    places = torch.arange(side) + 0.5
    bell = torch.exp(-((places[None] - x) ** 2 + (places[:, None] - y) ** 2) / (2 * width**2))
    return bell / bell.sum() if total else bell


def _density_score(planes: Planes, scenes: Sequence[Scene]) -> dict[str, float]:
    wrong = planes[:, 0].relu().sum((1, 2)) - torch.tensor([len(scene.things) for scene in scenes])
    mean = sum(len(scene.things) for scene in scenes) / len(scenes)
    always = sum(abs(len(scene.things) - mean) for scene in scenes) / len(scenes)
    mae = float(wrong.abs().mean())
    return {"negative_mae": -mae, "mae": mae, "rmse": float(wrong.pow(2).mean().sqrt()), "baseline_mean_mae": always}


def _boxes_loss(planes: Planes, scenes: Sequence[Scene]) -> torch.Tensor:
    cell, side = _cells(planes), planes.shape[-1]
    heat = torch.zeros(len(scenes), len(LABELS), side, side)
    edges, weight = torch.zeros(len(scenes), 4, side, side), torch.zeros(len(scenes), 1, side, side)
    places = torch.arange(side) + 0.5
    for at, scene in enumerate(scenes):
        for thing in scene.things:
            left, top, right, bottom = (v / cell for v in (thing.left, thing.top, thing.right, thing.bottom))
            x, y = (left + right) / 2, (top + bottom) / 2
            bump = _bump(x, y, side, max(0.6, min(right - left, bottom - top) / 8), total=False)
            heat[at, thing.label] = torch.maximum(heat[at, thing.label], bump)
            heat[at, thing.label, int(y), int(x)] = 1
            near = bump > 0.3
            near[int(y), int(x)] = True
            own = torch.stack([
                (places - left).expand(side, side), (places - top)[:, None].expand(side, side),
                (right - places).expand(side, side), (bottom - places)[:, None].expand(side, side),
            ])  # fmt: skip
            edges[at, :, near], weight[at, :, near] = own[:, near], 1
    # Penalty-reduced focal loss (Law and Deng, arXiv 1808.01244).
    logits, chance = planes[:, : len(LABELS)], torch.sigmoid(planes[:, : len(LABELS)])
    positive = heat == 1
    kept = -((1 - chance) ** 2) * torch.nn.functional.logsigmoid(logits)
    lost = -((1 - heat) ** 4) * chance**2 * torch.nn.functional.logsigmoid(-logits)
    focal = torch.where(positive, kept, lost).sum() / positive.sum().clamp(min=1)
    apart = (softplus(planes[:, len(LABELS) :]) - edges).abs() * weight
    return focal + 0.5 * apart.sum() / (4 * weight.sum()).clamp(min=1)


def _boxes_score(planes: Planes, scenes: Sequence[Scene]) -> dict[str, float]:
    """Average precision at an overlap of a half, the area under precision over recall, mean over labels."""
    cell = _cells(planes)
    found: dict[int, list[tuple[float, int, tuple[float, ...]]]] = {label: [] for label in range(len(LABELS))}
    for at in range(len(scenes)):
        for label in found:
            found[label] += [(score, at, box) for score, box in surest(planes[at], label, cell)]
    precisions = []
    for label, rows in found.items():
        truth = {at: [t for t in scene.things if t.label == label] for at, scene in enumerate(scenes)}
        precisions.append(_average_precision(sorted(rows, reverse=True), truth))
    return {"ap50": sum(precisions) / len(precisions)}


def surest(planes: Planes, label: int, cell: int, least: float = 0.05) -> list[tuple[float, tuple[float, ...]]]:
    """Boxes of a label that overlap no surer one by more than a half, each with its score; a place is `cell` pixels wide."""
    side = planes.shape[-1]
    chance, distances = torch.sigmoid(planes[label]), softplus(planes[len(LABELS) :])
    kept: list[tuple[float, tuple[float, ...]]] = []
    for at in chance.flatten().argsort(descending=True)[:100].tolist():
        row, column = divmod(at, side)
        score = float(chance[row, column])
        if score < least:
            break
        left, top, right, bottom = distances[:, row, column].tolist()
        box = tuple(cell * v for v in (column + 0.5 - left, row + 0.5 - top, column + 0.5 + right, row + 0.5 + bottom))
        if all(overlap(box, other) <= 0.5 for _, other in kept):
            kept.append((score, box))
    return kept


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Of two boxes: the intersection's share of the union."""
    both = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    either = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    return both / either if either > 0 else 0.0


def _average_precision(rows: list[tuple[float, int, tuple[float, ...]]], truth: dict[int, list[Any]]) -> float:
    left = {at: list(things) for at, things in truth.items()}
    total = sum(map(len, left.values()))
    right, area, recall, points = 0, 0.0, 0.0, []
    for number, (_, at, box) in enumerate(rows, 1):
        best = max(left[at], key=lambda t: overlap(box, (t.left, t.top, t.right, t.bottom)), default=None)
        if best is not None and overlap(box, (best.left, best.top, best.right, best.bottom)) >= 0.5:
            left[at].remove(best)
            right += 1
        points.append((right / max(total, 1), right / number))
    for place, (reached, _) in enumerate(points):
        area += (reached - recall) * max(precision for _, precision in points[place:])
        recall = reached
    return area


def _points_loss(planes: Planes, scenes: Sequence[Scene]) -> torch.Tensor:
    cell, side = _cells(planes), planes.shape[-1]
    wanted = torch.stack([
        torch.stack([_bump(x / cell, y / cell, side, 1.0, total=False) for x, y in scene.joints]) for scene in scenes
    ])  # fmt: skip
    # A point is one place of many.
    return binary_cross_entropy_with_logits(planes, wanted, pos_weight=torch.tensor(20.0))


def _points_score(planes: Planes, scenes: Sequence[Scene]) -> dict[str, float]:
    """Points within a tenth of the figure's height."""
    cell, side = _cells(planes), planes.shape[-1]
    right = total = 0
    for at, scene in enumerate(scenes):
        height = max(y for _, y in scene.joints) - min(y for _, y in scene.joints)
        for plane, (x, y) in enumerate(scene.joints):
            row, column = divmod(int(planes[at, plane].argmax()), side)
            away = ((cell * (column + 0.5) - x) ** 2 + (cell * (row + 0.5) - y) ** 2) ** 0.5
            right, total = right + (away <= 0.1 * height), total + 1
    return {"pck": right / total}


KINDS: dict[str, Kind] = {
    "scene": Kind("scene", "classes", ("ground", *LABELS), 3, 2, _segment_loss, _segment_score),
    "portrait": Kind("portrait", "mask", ("garment",), 1, 2, _mask_loss, _mask_score),
    "crowd": Kind("crowd", "density", ("digit",), 1, 1, _density_loss, _density_score),
    "things": Kind("things", "boxes", LABELS, len(LABELS) + 4, 1, _boxes_loss, _boxes_score),
    "pose": Kind("pose", "points", JOINTS, len(JOINTS), 2, _points_loss, _points_score),
}
"""By the name of the adapter."""
