"""Writes tiny random EDSR networks with the pictures that super-image's own class makes.

Each folder is `config.json` and `model.safetensors` as super-image names things, with expected.safetensors: `pixels` (8 bits) and
the `values` that the network gives for them, `[height, width, 3]`. `edsr` makes four times as large pictures, `edsr-3` three times.
`peft/edsr-r2` has LoRA on all convolutions of `edsr`, with the values under it.
"""

from __future__ import annotations

import json

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

import paths
import tiny
import upscaler
from make_models import fresh

VARIANTS = {
    "edsr": dict(scale=4, n_resblocks=2, n_feats=8, res_scale=0.7),
    "edsr-3": dict(scale=3, n_resblocks=1, n_feats=5),
}
SIZE = (13, 17)


@torch.no_grad()
def randomize(model: torch.nn.Module, name: str) -> None:
    """Weights that keep the signal alive; zeros around a picture make a difference where biases are not zero."""
    for key, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=tiny.seeded(f"{name}/{key}"))
        fan = parameter[0].numel() if parameter.dim() > 1 else 16
        parameter.copy_(noise / fan**0.5)


def run(model: torch.nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """`[height, width, 3]` of bytes to the same of values."""
    with torch.no_grad():
        values = model(pixels.permute(2, 0, 1)[None].float() / 255)
    return values[0].permute(1, 2, 0).contiguous()


def write(name: str) -> None:
    module = upscaler.load()
    config = module.EdsrConfig(**VARIANTS[name])
    model = module.EdsrModel(config).eval()
    randomize(model, name)
    folder = fresh(paths.MODELS / name)
    (folder / "config.json").write_text(json.dumps(config.to_dict(), indent=1) + "\n")
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, folder / "model.safetensors")
    pixels = torch.randint(0, 256, (*SIZE, 3), generator=tiny.seeded(f"{name}/pixels"), dtype=torch.uint8)
    save_file({"pixels": pixels, "values": run(model, pixels)}, folder / "expected.safetensors")
    if name == "edsr":
        adapt(model, pixels)


def adapt(model: torch.nn.Module, pixels: torch.Tensor) -> None:
    targets = [
        name for name, part in model.named_modules() if isinstance(part, torch.nn.Conv2d) and "_mean" not in name
    ]
    adapted = get_peft_model(model, LoraConfig(r=2, lora_alpha=3, target_modules=targets))
    with torch.no_grad():
        for key, tensor in adapted.named_parameters():
            if "lora_" in key:
                tensor.copy_(0.3 * torch.randn(tensor.shape, generator=tiny.seeded(f"edsr-r2/{key}")))
    folder = fresh(paths.PEFT / "edsr-r2")
    adapted.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    task = {"task": "upscale", "path": "generator", "component": "super-resolution"}
    (folder / "task.json").write_text(json.dumps(task) + "\n")
    save_file({"values": run(adapted.eval(), pixels)}, folder / "expected.safetensors")


if __name__ == "__main__":
    for name in VARIANTS:
        write(name)
