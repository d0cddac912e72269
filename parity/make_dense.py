"""Writes the goldens of dense heads: stages over the states of a picture that is larger than the tower's own, and not square.

`peft/dense-*` hold a head and a LoRA on the image tower of `models/tower-image`; `expected.safetensors` holds `inputs` and the
`planes` that PyTorch makes of them.
"""

from __future__ import annotations

import json
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

import paths
from make_models import fresh
from make_towers import BN, RELU, conv
from randomise import randomise
from tower import Tower, build

SIZE = (24, 32)
UP: dict[str, Any] = {"type": "upsample", "factor": 2}
SAME: dict[str, Any] = {"padding": [1, 1]}


def stages(planes: int) -> list[dict[str, Any]]:
    """A small decoder: both ways to make a picture larger, a norm and a shortcut."""
    return [
        conv(8, [3, 3], **SAME),
        BN,
        RELU,
        UP,
        {"type": "residual", "body": [conv(8, [3, 3], **SAME), RELU]},
        conv(4 * planes, [1, 1]),
        {"type": "pixel_shuffle", "factor": 2},
    ]


HEADS: dict[str, list[str]] = {
    "classes": ["sky", "sea", "sand"],
    "mask": [],
    "density": ["bird"],
    "boxes": ["boat", "buoy"],
    "points": ["bow", "mast", "stern"],
}


def planes(gives: str, labels: list[str]) -> int:
    """How many planes a head has."""
    return {"mask": 1, "density": 1, "boxes": len(labels) + 4}.get(gives, len(labels))


def preprocessing() -> dict[str, Any]:
    return {
        "image_processor_type": "LoamImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"height": SIZE[0], "width": SIZE[1]},
        "resample": 2,
        "do_center_crop": False,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }


def write(gives: str, labels: list[str]) -> None:
    folder = paths.MODELS / "tower-image"
    model = Tower(json.loads((folder / "config.json").read_text())).eval()
    model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    generator = torch.Generator().manual_seed(31)
    inputs = torch.randn(2, 3, *SIZE, generator=generator)
    targets = [name for name, module in model.stages.named_modules(prefix="stages") if isinstance(module, torch.nn.Conv2d)]
    adapted = get_peft_model(model, LoraConfig(r=2, lora_alpha=5, target_modules=targets))
    with torch.no_grad():
        for key, tensor in adapted.named_parameters():
            if "lora_" in key:
                tensor.copy_(0.3 * torch.randn(tensor.shape, generator=generator))
        states = adapted.base_model.model.eval().stages(inputs)
        specs = stages(planes(gives, labels))
        decoder, _ = build(specs, states.shape[1:])
        randomise(decoder, gives)
        out = decoder.eval()(states)
    target = fresh(paths.PEFT / f"dense-{gives}")
    adapted.save_pretrained(target)
    (target / "README.md").unlink(missing_ok=True)
    file = target / "adapter_model.safetensors"
    head = {f"base_model.model.classifier.stages.{k}": v for k, v in decoder.state_dict().items() if v.is_floating_point()}
    save_file(load_file(file) | {k: v.contiguous() for k, v in head.items()}, file)
    task: dict[str, Any] = {"path": "encoder", "component": "image", "preprocessing": preprocessing()}
    task["head"] = {"kind": "dense", "states": list(states.shape[1:]), "stages": specs, "gives": gives}
    if labels:
        task["labels"] = labels
    (target / "task.json").write_text(json.dumps(task) + "\n")
    save_file({"inputs": inputs, "planes": out.contiguous()}, target / "expected.safetensors")


if __name__ == "__main__":
    for gives, labels in HEADS.items():
        write(gives, labels)
