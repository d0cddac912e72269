"""Writes `heads/<name>`: adapters with heads of every kind on AST, and what torch makes of them.

Each is the LoRA of `peft/ast-r2` with the tensors of a head and a `task.json` that declares it. `expected.safetensors` holds
`spectrograms`, the head's outputs for those of `models/ast-tiny`, and `sound.<n>` for its sounds.
"""

from __future__ import annotations

import json
import shutil
from typing import Any, Callable

import torch
import torch.nn.functional as F
import transformers
from peft import PeftModel
from safetensors.torch import load_file, save_file

import paths
from make_models import fresh
from tiny import seeded

Tensors = dict[str, torch.Tensor]
WIDTH = 16
LABELS = ["speech", "siren", "rain"]


def noise(name: str, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=seeded(f"heads/{name}"))


def linear(weight: str, bias: str | None) -> Callable[[Tensors, torch.Tensor], torch.Tensor]:
    return lambda tensors, x: F.linear(x, tensors[weight], tensors[bias] if bias else None)


def cosine(scale: float | None) -> Callable[[Tensors, torch.Tensor], torch.Tensor]:
    def run(tensors: Tensors, x: torch.Tensor) -> torch.Tensor:
        factor = tensors["classifier.scale"] if scale is None else scale
        return factor * F.cosine_similarity(x[..., None, :], tensors["classifier.weight"], dim=-1)

    return run


def classes(module: str, count: int, *, bias: bool = True, scale: float | None = None) -> Tensors:
    tensors = {f"{module}.weight": noise(f"{module}/{count}", count, WIDTH)}
    if bias:
        tensors[f"{module}.bias"] = noise(f"{module}/{count}/bias", count)
    if scale is not None:
        tensors[f"{module}.scale"] = torch.tensor([scale])
    return tensors


OUTPUTS = [{"name": "pulse", "unit": "1/min"}, {"name": "loudness"}]
VOCABULARY = ["<pad>", "|", "a", "b", "c"]
# Name, task.json, tensors, the head's formula.
HEADS: list[tuple[str, dict[str, Any], Tensors, Callable[[Tensors, torch.Tensor], torch.Tensor]]] = [
    ("linear", {"labels": LABELS}, classes("classifier", 3), linear("classifier.weight", "classifier.bias")),
    (
        "linear-mean",
        {"labels": LABELS, "head": {"kind": "linear", "reads": "mean-state"}},
        classes("score", 3, bias=False),
        linear("score.weight", None),
    ),
    ("cosine", {"labels": LABELS, "head": {"kind": "cosine", "scale": 7.5}}, classes("classifier", 3, bias=False), cosine(7.5)),
    (
        "cosine-learned",
        {"labels": LABELS, "head": {"kind": "cosine", "reads": "mean-state"}},
        classes("classifier", 3, bias=False, scale=4.25),
        cosine(None),
    ),
    (
        "ctc",
        {"head": {"kind": "ctc", "vocabulary": VOCABULARY, "blank": 0}},
        classes("lm_head", 5),
        linear("lm_head.weight", "lm_head.bias"),
    ),
    (
        "regression",
        {"head": {"kind": "regression", "reads": "mean-state", "outputs": OUTPUTS}},
        classes("classifier", 2),
        linear("classifier.weight", "classifier.bias"),
    ),
]


@torch.no_grad()
def main() -> None:
    source = paths.PEFT / "ast-r2"
    base = transformers.ASTForAudioClassification.from_pretrained(paths.MODELS / "ast-tiny").eval()
    network = PeftModel.from_pretrained(base, source).eval().base_model.model.audio_spectrogram_transformer
    given = load_file(paths.MODELS / "ast-tiny" / "expected.safetensors")
    inputs = {"spectrograms": given["spectrograms"], "sound.0": given["mel.0"][None], "sound.1": given["mel.1"][None]}
    lora = load_file(source / "adapter_model.safetensors")
    for name, task, tensors, head in HEADS:
        folder = fresh(paths.FIXTURES / "heads" / name)
        shutil.copy(source / "adapter_config.json", folder / "adapter_config.json")
        if "head" not in task:
            # What PEFT writes for a classifier that was trained beside the LoRA.
            config = json.loads((folder / "adapter_config.json").read_text()) | {"modules_to_save": ["classifier"]}
            (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True))
        save_file(lora | {f"base_model.model.{key}": value for key, value in tensors.items()}, folder / "adapter_model.safetensors")
        described = {"path": "encoder", "component": "sound", "task": "classify", **task}
        if not task.get("labels"):
            del described["task"]
        (folder / "task.json").write_text(json.dumps(described, indent=1) + "\n")
        reads = "frames" if name == "ctc" else task.get("head", {}).get("reads", "embedding")
        expected = {}
        for key, values in inputs.items():
            out = network(values)
            states = out.last_hidden_state
            x = {"embedding": out.pooler_output, "mean-state": states.mean(dim=1), "frames": states}[reads]
            expected[key] = head(tensors, x).contiguous()
        save_file(expected, folder / "expected.safetensors")


if __name__ == "__main__":
    main()
