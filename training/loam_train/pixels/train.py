"""Trains super-resolution, and scores what is stored on the pictures that were held out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch.nn import functional

from ..adapter import loop
from .batches import Source, tensor, validation
from .edsr import Edsr, likeness, signal_to_noise
from .pictures import HELD, TRAINED, enlarged, multiple, photograph, reduced
from .run import Run

_VALIDATED = 128
"""Side of what is validated on, in pixels."""
_EVALUATIONS = 24
BORDER = 4
"""Pixels at each side that are not scored."""


def train(run: Run, checkpoint: Path, out: Path) -> dict[str, Any]:
    """Trains from the checkpoint if there is one, and writes `config.json`, `model.safetensors` and `training.json`."""
    torch.manual_seed(run.seed)
    network, source = Edsr(run.shape()), Source(run.scale, run.patch)
    network.begin_as_copy()
    held = validation(run.scale, _VALIDATED)

    def loss(step: int) -> torch.Tensor:
        low, high = source.batch(run.seed * 1_000_003 + step, run.batch)
        return functional.l1_loss(network(low), high)

    def evaluate() -> loop.Score:
        with torch.inference_mode():
            found = [(network(low), high) for low, high in held]
            value = sum(signal_to_noise(ours, high, BORDER) for ours, high in found) / len(found)
            return loop.Score(value, sum(float(functional.l1_loss(ours, high)) for ours, high in found) / len(found))

    groups = [{"params": list(network.parameters()), "lr": run.learning_rate, "weight_decay": 0.0}]
    job = loop.Job(run.name, dict(network.named_parameters()), groups, loss, evaluate, run.digest())
    progress = loop.fit(job, loop.Schedule(run.steps, 60 * run.minutes, _EVALUATIONS, _EVALUATIONS), checkpoint)
    # The scores are those of the stored values.
    stored = {name: value.detach().half().contiguous() for name, value in network.state_dict().items()}
    scores = {"full": compare(network, run.scale)}
    network.load_state_dict({name: value.float() for name, value in stored.items()})
    scores["stored"] = compare(network, run.scale)
    out.mkdir(parents=True, exist_ok=True)
    save_file(stored, out / "model.safetensors", metadata={"format": "pt"})
    _write(out / "config.json", run.shape().config())
    record = {
        "run": run.name, "digest": run.digest(), "steps": progress.step, "seconds": round(progress.seconds, 1),
        "parameters": sum(value.numel() for value in stored.values()),
        "pictures": {"learned": list(TRAINED), "drawn": len(source.drawings), "held": list(HELD)},
        "luminance": {"full precision": scores["full"], **scores["stored"]},
        "validation": [[step, round(value, 3)] for step, value, _ in progress.scores],
        "best": progress.scores[progress.best][0] if progress.scores else None,
        "licence": "Apache-2.0",
    }  # fmt: skip
    _write(out / "training.json", record)
    return record


def compare(network: Edsr, scale: int) -> dict[str, dict[str, list[float]]]:
    """PSNR in dB and SSIM of luminance for each picture that was held out: the network's, and those of bicubic."""
    rows = {}
    for name in HELD:
        high = multiple(photograph(name), scale)
        low, right = reduced(high, scale), tensor([high])
        with torch.inference_mode():
            ours = network(tensor([low]))
        pairs = {"ours": ours, "bicubic": tensor([enlarged(low, scale)])}
        rows[name] = {
            by: [round(signal_to_noise(found, right, BORDER), 2), round(likeness(found, right, BORDER), 4)]
            for by, found in pairs.items()
        }
    return rows


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
