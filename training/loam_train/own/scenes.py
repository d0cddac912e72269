"""Scenes that are put together: a small U-Net (Ronneberger et al. 2015, arXiv 1505.04597) for each task.

It is trained from nothing, on the same scenes as the dense heads of `dense` and by their losses; its
answers come from the pictures that `scenes` writes.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import interpolate
from tqdm import tqdm

from ..clock import computed
from ..dense.export import export
from ..dense.heads import KINDS, Kind, stretched, surest
from ..dense.scenes import LABELS, SIDE, Scene, scene, sources

TRAIN, TEST = 3_000, 200
"""Scenes, as many as the dense heads learn from and the benchmark asks for."""
BATCH = 24
RATE = 2e-3
WIDTHS = (24, 48, 96, 128)
"""Channels at a half, a quarter, an eighth and a sixteenth of the side."""
LEAST_SCORE = 0.01
"""Of boxes: average precision asks for what is unlikely, too."""
FOLDERS = {
    "things": ("detection/val2017", "*.jpg"),
    "scene": ("segmentation/images/validation", "*.jpg"),
    "crowd": ("counting/Test", "*.jpg"),
    "portrait": ("matting/image_all", "*.jpg"),
}
"""Where the pictures of each kind are."""
_ADE = (len(LABELS) + 1, *range(1, len(LABELS) + 1))
"""Classes of the set for the planes of `scene`, of which the first one is the ground."""


def _double(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, step in ((inputs, stride), (outputs, 1)):
        layers += [
            nn.Conv2d(before, outputs, 3, stride=step, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)


class Unet(nn.Module):
    """Pictures `[B, 3, SIDE, SIDE]` to planes at a half of the side, or at a quarter."""

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.kind = kind
        self.down = nn.ModuleList(
            _double(before, after, 2) for before, after in zip((3, *WIDTHS), WIDTHS, strict=False)
        )
        skips = list(reversed(WIDTHS[:-1]))[: kind.doublings + 1]
        before = [WIDTHS[-1], *skips]
        self.up = nn.ModuleList(_double(b + s, s, 1) for b, s in zip(before, skips, strict=False))
        self.out = nn.Conv2d(skips[-1], kind.planes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = []
        for part in self.down:
            x = part(x)
            seen.append(x)
        for part, skip in zip(self.up, reversed(seen[:-1]), strict=False):
            x = part(torch.cat([interpolate(x, scale_factor=2.0, mode="nearest"), skip], 1))
        out: torch.Tensor = self.out(x)
        return out

    def learn(self, scenes: Sequence[Scene], seconds: float, seed: int) -> None:
        """Learns for at most so many seconds of computing."""
        begun, dice = computed(), random.Random(seed)
        pictures = prepared([one.picture for one in scenes])
        optimizer = torch.optim.AdamW(self.parameters(), RATE, weight_decay=0.01)
        self.train()
        with tqdm(total=round(seconds), desc="u-net", unit="s", leave=False) as bar:
            while (spent := computed() - begun) < seconds:
                bar.update(round(spent) - bar.n)
                rows = dice.sample(range(len(scenes)), min(BATCH, len(scenes)))
                for group in optimizer.param_groups:
                    group["lr"] = RATE * max(0.01, 1 - spent / seconds)
                optimizer.zero_grad()
                found = self.kind.loss(self(pictures[rows]), [scenes[row] for row in rows])
                found.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        self.eval()

    @torch.no_grad()
    def planes(self, pictures: torch.Tensor) -> torch.Tensor:
        """Of many pictures."""
        return torch.cat([self(part) for part in torch.split(pictures, BATCH)])

    @property
    def size(self) -> int:
        """Bytes in fp16."""
        return sum(2 * value.numel() for value in self.state_dict().values() if value.is_floating_point())


def prepared(pictures: Sequence[np.ndarray]) -> torch.Tensor:
    """Bytes `[SIDE, SIDE, 3]` each as `[N, 3, SIDE, SIDE]`, -1 to 1."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def answers(kind: Kind, planes: torch.Tensor, ids: Sequence[str]) -> list[tuple[str, Any]]:
    """Planes in the form of run files."""
    of = {"boxes": _boxes, "classes": _classes, "density": _count, "mask": _opacity}[kind.gives]
    return [(row, of(one[None], row)) for row, one in zip(ids, planes, strict=True)]


def _boxes(planes: torch.Tensor, row: str) -> dict[str, Any]:
    found = []
    for label in range(len(LABELS)):
        for score, (left, top, right, bottom) in surest(planes[0], label, SIDE // planes.shape[-1], LEAST_SCORE):
            bounds = [left, top, right - left, bottom - top]
            found.append({"image": int(row), "category": label + 1, "bounds": bounds, "score": score})
    return {"boxes": found}


def _classes(planes: torch.Tensor, _: str) -> dict[str, Any]:
    best = stretched(planes.softmax(1))[0].argmax(0).flatten()
    return {"classes": torch.tensor(_ADE)[best].tolist()}


def _count(planes: torch.Tensor, _: str) -> dict[str, Any]:
    return {"number": float(planes[0, 0].relu().sum())}


def _opacity(planes: torch.Tensor, _: str) -> dict[str, Any]:
    opacity = stretched(torch.sigmoid(planes))[0, 0].flatten()
    return {"opacity": [round(value, 4) for value in opacity.tolist()]}


def solved(name: str, root: Path, out: Path, seconds: float, seed: int) -> tuple[Unet, list[tuple[str, Any]]]:
    """A model that learned, and its answers to the pictures of its kind; those of all kinds are written to `out`.

    Raises:
        InputError: naming a file of the sets that is missing.
    """
    kind = KINDS[name]
    export(root, out, TEST)
    given = sources(root, "train")
    torch.manual_seed(seed)
    model = Unet(kind)
    model.learn([scene(kind.scenes, given, seed + number) for number in range(TRAIN)], seconds, seed)
    folder, pattern = FOLDERS[name]
    files = sorted((out / folder).glob(pattern))
    planes = model.planes(prepared([np.asarray(Image.open(file).convert("RGB")) for file in files]))
    ids = [str(int(file.stem)) if kind.gives == "boxes" else file.stem for file in files]
    return model, answers(kind, planes, ids)
