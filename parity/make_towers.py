"""Writes the goldens of Loam's own towers: image, sound and IMU trunks with random weights, each with a LoRA adapter.

`models/tower-*` hold `expected.safetensors` with `inputs`, `embedding` and `states`; `peft/tower-*-r2` hold `embedding`
under the adapter.
"""

from __future__ import annotations

import json
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

import paths
from make_models import fresh
from randomise import randomise
from tower import Tower


def conv(outputs: int, kernel: list[int], **options: Any) -> dict[str, Any]:
    return {"type": "conv", "outputs": outputs, "kernel": kernel, **options}


BN: dict[str, Any] = {"type": "batch_norm"}
RELU: dict[str, Any] = {"type": "activation", "kind": "relu"}
GELU: dict[str, Any] = {"type": "activation", "kind": "gelu"}

CONFIGS: dict[str, dict[str, Any]] = {
    "image": {
        "input": [3, 16, 16],
        "stages": [
            conv(8, [3, 3], padding=[1, 1], bias=False),
            BN,
            RELU,
            {"type": "residual", "body": [conv(8, [3, 3], padding=[1, 1]), BN, RELU, conv(8, [3, 3], padding=[1, 1]), BN]},
            RELU,
            {
                "type": "residual",
                "body": [conv(12, [3, 3], stride=[2, 2], padding=[1, 1], bias=False), BN],
                "shortcut": [conv(12, [1, 1], stride=[2, 2], bias=False), BN],
            },
            RELU,
            {"type": "max_pool", "kernel": [2, 2], "stride": [2, 2]},
        ],
        "pooling": "mean",
        "logit_scale": 30.0,
    },
    "sound": {
        "input": [1, 20, 33],
        "stages": [
            conv(6, [5, 3], stride=[2, 1], padding=[2, 1]),
            BN,
            GELU,
            {"type": "max_pool", "kernel": [2, 3], "stride": [2, 3]},
            {"type": "transformer", "layers": 2, "heads": 2, "inner": 10},
        ],
        "pooling": "mean_max",
    },
    "imu": {
        "input": [6, 50],
        "stages": [
            conv(10, [7], stride=[2], padding=[3], bias=False),
            BN,
            GELU,
            conv(14, [5], padding=[2]),
            BN,
            GELU,
            {"type": "max_pool", "kernel": [2], "stride": [2]},
            {"type": "residual", "body": [conv(14, [3], padding=[1]), BN, GELU]},
        ],
        "pooling": "mean_max",
        "logit_scale": 35.0,
    },
}


def write(modality: str, config: dict[str, Any]) -> None:
    config = {"model_type": "loam-tower", "modality": modality, "dim": 16, **config}
    model = Tower(config).eval()
    randomise(model, modality)
    generator = torch.Generator().manual_seed(9)
    inputs = torch.randn(3, *config["input"], generator=generator)
    anchors = torch.randn(2, 16, generator=generator)
    mean, whitening = torch.randn(16, generator=generator), torch.randn(16, 16, generator=generator)
    moved = torch.nn.functional.normalize((anchors - mean) @ whitening.T, dim=-1)
    with torch.no_grad():
        embedding, states = model(inputs)
    folder = fresh(paths.MODELS / f"tower-{modality}")
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    weights = {k: v.contiguous() for k, v in model.state_dict().items() if v.is_floating_point()}
    if modality != "sound":
        weights |= {"anchor.mean": mean, "anchor.whitening": whitening}
    save_file(weights, folder / "model.safetensors")
    expected = {"inputs": inputs, "embedding": embedding, "states": states, "texts": anchors, "moved": moved}
    save_file({k: v.contiguous() for k, v in expected.items()}, folder / "expected.safetensors")

    kinds = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Linear)
    targets = [name for name, module in model.named_modules() if isinstance(module, kinds)]
    adapted = get_peft_model(model, LoraConfig(r=2, lora_alpha=5, target_modules=targets))
    with torch.no_grad():
        for key, tensor in adapted.named_parameters():
            if "lora_" in key:
                tensor.copy_(0.3 * torch.randn(tensor.shape, generator=generator))
        embedding, _ = adapted.base_model.model.eval()(inputs)
    target = fresh(paths.PEFT / f"tower-{modality}-r2")
    adapted.save_pretrained(target)
    (target / "README.md").unlink(missing_ok=True)
    (target / "task.json").write_text(json.dumps({"path": "encoder", "component": modality}) + "\n")
    save_file({"embedding": embedding.contiguous()}, target / "expected.safetensors")


if __name__ == "__main__":
    for modality, config in CONFIGS.items():
        write(modality, config)
