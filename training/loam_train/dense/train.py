"""Trains a dense head on the frozen image tower."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from torch import nn
from tqdm import tqdm

from ..adapter import foundation, loop, package
from ..adapter.features import Eyes, open_eyes
from ..towers.network import definition, parameters
from .heads import KINDS, Kind
from .scenes import SIDE, Scene, Sources, scene, sources

COMPONENT = "image"
TRAIN, TEST = 3_000, 300
"""Scenes; those of training are seen several times."""
BATCH = 24
STEPS = 1_500
RATE, DECAY = 2e-3, 0.01
_TEST_SEED = 1 << 40
"""Seeds of test scenes begin there, far from those of training."""
_PREFIX = "base_model.model.classifier."


@dataclass(frozen=True)
class Request:
    """One head to train."""

    kind: str
    sets: Path
    foundation: Path
    out: Path
    minutes: float
    seed: int
    work: Path


@dataclass(frozen=True)
class Seen:
    """Scenes with the tower's states of them, which do not change."""

    states: torch.Tensor
    scenes: Sequence[Scene]


def train(request: Request) -> dict[str, float]:
    """Trains, scores what is stored on test scenes, and writes the package; its metrics."""
    kind, found = KINDS[request.kind], foundation.component(request.foundation, COMPONENT)
    eyes = open_eyes(found.entry, COMPONENT)
    eyes.tower.tower.eval()
    train, test = (
        _seen(request.kind, eyes, sources(request.sets, split), count, start)
        for split, count, start in (("train", TRAIN, request.seed), ("test", TEST, _TEST_SEED))
    )
    torch.manual_seed(request.seed)
    described = stages_of(kind)
    head, _ = definition().build(described, train.states.shape[1:])
    job = _job(request, kind, head, train, found.fingerprint)
    checkpoint = request.work / "checkpoints" / "dense" / f"{request.kind}.pt"
    progress = loop.fit(job, loop.Schedule(STEPS, 60 * request.minutes, 10, 10), checkpoint)
    # The score is that of the stored values.
    tensors = {name: value.half() for name, value in head.state_dict().items() if value.is_floating_point()}
    head.load_state_dict({name: value.float() for name, value in tensors.items()}, strict=False)
    size = sum(value.numel() for value in tensors.values())
    metrics = kind.score(_planes(head.eval(), test.states), test.scenes)
    metrics |= {
        "train_rows": TRAIN, "test_rows": TEST, "steps": progress.step, "seconds": round(progress.seconds, 1),
        "parameters": size, "parameter_share": size / parameters(eyes.tower.tower),
    }  # fmt: skip
    named = {_PREFIX + f"stages.{name}": value for name, value in tensors.items()}
    package.write(request.out, named, _peft(found.model), _task(request, kind, eyes, train, found.fingerprint, metrics))
    checkpoint.unlink(missing_ok=True)
    return metrics


def stages_of(kind: Kind) -> list[dict[str, Any]]:
    """The head's stages."""
    from .heads import stages

    return stages(kind.planes, kind.doublings)


def _seen(kind: str, eyes: Eyes, given: Sources, count: int, start: int) -> Seen:
    made = [scene(KINDS[kind].scenes, given, start + number) for number in range(count)]
    mean, deviation = (torch.tensor(eyes.tower.preprocessing[key]).view(3, 1, 1) for key in ("image_mean", "image_std"))
    states = []
    with torch.inference_mode():
        for at in tqdm(range(0, count, BATCH), desc=f"{kind}: states", mininterval=2, unit="batch", leave=False):
            pictures = torch.stack([torch.from_numpy(s.picture.copy()) for s in made[at : at + BATCH]])
            x = (pictures.permute(0, 3, 1, 2).float() / 255 - mean) / deviation
            states.append(eyes.tower.tower.get_submodule("stages")(x).half())
    return Seen(torch.cat(states).clone(), made)


def _planes(head: nn.Module, states: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return torch.cat([head(part.float()) for part in torch.split(states, 64)]).clone()


def _job(request: Request, kind: Kind, head: nn.Sequential, train: Seen, fingerprint: str) -> loop.Job:
    held = len(train.scenes) // 10

    def loss(step: int) -> torch.Tensor:
        chance = torch.Generator().manual_seed(request.seed * 1_000_003 + step)
        rows = torch.randint(held, len(train.scenes), (BATCH,), generator=chance)
        head.train()
        return kind.loss(head(train.states[rows].float()), [train.scenes[row] for row in rows.tolist()])

    def evaluate() -> loop.Score:
        planes = _planes(head.eval(), train.states[:held])
        value = next(iter(kind.score(planes, train.scenes[:held]).values()))
        return loop.Score(value, float(kind.loss(planes, train.scenes[:held])))

    # Running statistics belong to what is learned, so that the best weights come back with theirs.
    floating = ((name, value) for name, value in head.named_buffers() if value.is_floating_point())
    own = {name: nn.Parameter(value, requires_grad=False) for name, value in floating}
    learned = dict(head.named_parameters())
    told = [fingerprint, request.kind, request.seed, TRAIN, BATCH, RATE, DECAY, stages_of(kind)]
    digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()
    groups = [{"params": list(learned.values()), "lr": RATE, "weight_decay": DECAY}]
    return loop.Job(request.kind, learned | own, groups, loss, evaluate, digest)


def _peft(model: str) -> dict[str, Any]:
    """PEFT's `adapter_config.json` of a head alone: it names no module."""
    written: dict[str, Any] = LoraConfig(target_modules=[]).to_dict()  # type: ignore[no-untyped-call]
    described = {key: value for key, value in written.items() if value is not None}
    return described | {"target_modules": [], "base_model_name_or_path": model, "inference_mode": True}


def _task(
    request: Request, kind: Kind, eyes: Eyes, seen: Seen, fingerprint: str, metrics: dict[str, float]
) -> dict[str, Any]:
    names = {"classes": "segment", "mask": "segment", "density": "count", "boxes": "detect", "points": "locate"}
    size = {"size": {"height": SIDE, "width": SIDE}}
    return {
        "schema": 1,
        "name": request.kind,
        "description": f"{names[kind.gives]} in scenes that were put together from small public sets",
        "task": names[kind.gives],
        "path": "encoder",
        "component": COMPONENT,
        "labels": list(kind.labels),
        "head": {
            "kind": "dense", "states": list(seen.states.shape[1:]), "stages": stages_of(kind), "gives": kind.gives,
        },
        "preprocessing": eyes.tower.preprocessing | size,
        "base": {COMPONENT: fingerprint},
        "metrics": {name: float(f"{value:.4g}") for name, value in sorted(metrics.items())},
        "licence": "Apache-2.0",
    }  # fmt: skip
