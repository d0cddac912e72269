"""Writes `heads/backbone-<name>`: adapters whose head reads a decoder's state after some of its blocks.

Each is a PEFT LoRA on the blocks that are run, a random linear head and a `task.json`. `expected.safetensors` holds `tokens`
and, after those blocks and the final norm, `states` [T, width] and the head's logits of the `last` token and of the `mean`;
`bare.*` are the same of the base without the LoRA.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, PreTrainedModel

import paths
import tiny
from make_models import fresh
from make_peft import LINEARS

LABELS = ["calm", "tense", "other"]
Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Case:
    """One fixture over the model fixture `base`, reading after `layers` blocks."""

    name: str
    base: str
    layers: int


# Grouped queries with an untied head; windows on some layers; norms that are stored as their distance from one.
CASES = (
    Case("backbone-llama2-1", "llama2", 1),
    Case("backbone-llama2-2", "llama2", 2),
    Case("backbone-qwen2-2", "qwen2-sliding", 2),
    Case("backbone-gemma3-3", "gemma3-softcap", 3),
)


def truncated(case: Case) -> PreTrainedModel:
    """The base without the blocks above `case.layers`."""
    model = AutoModelForCausalLM.from_pretrained(
        paths.MODELS / case.base, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    model.model.layers = model.model.layers[: case.layers]
    model.config.num_hidden_layers = case.layers
    return model


@torch.no_grad()
def states(model: torch.nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    """`[tokens, width]` after the last block and the final norm."""
    return model(input_ids=tokens[None], use_cache=False).last_hidden_state[0].contiguous()


def check(case: Case, found: torch.Tensor, tokens: torch.Tensor) -> None:
    """The whole base's state after that block, normalised, must be what the truncated one ends in."""
    whole = AutoModelForCausalLM.from_pretrained(
        paths.MODELS / case.base, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    with torch.no_grad():
        hidden = whole.model(input_ids=tokens[None], use_cache=False, output_hidden_states=True).hidden_states
        # transformers norms the last of them already.
        last = case.layers == len(whole.model.layers)
        other = hidden[case.layers] if last else whole.model.norm(hidden[case.layers])
    if not torch.equal(other[0], found):
        raise SystemExit(f"{case.name}: the truncated model's state is not the whole one's")


def write(case: Case) -> None:
    folder = fresh(paths.FIXTURES / "heads" / case.name)
    tokens = tiny.variant(case.base).tokens()
    base = truncated(case)
    bare = states(base.model, tokens)
    check(case, bare, tokens)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=LINEARS, task_type="CAUSAL_LM")
    model = get_peft_model(base, config).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.requires_grad:
                noise = torch.randn(parameter.shape, generator=tiny.seeded(f"{case.name}/{key}"))
                parameter.copy_(0.3 * noise)
    adapted = states(model.base_model.model.model, tokens)
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    settings = json.loads((folder / "adapter_config.json").read_text())
    settings |= {"base_model_name_or_path": case.base, "target_modules": sorted(settings["target_modules"])}
    (folder / "adapter_config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")

    width = bare.shape[1]
    head: Tensors = {
        "weight": torch.randn(len(LABELS), width, generator=tiny.seeded(f"{case.name}/head")),
        "bias": torch.randn(len(LABELS), generator=tiny.seeded(f"{case.name}/bias")),
    }
    tensors = load_file(folder / "adapter_model.safetensors")
    tensors |= {f"base_model.model.classifier.{key}": value for key, value in head.items()}
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    task = {
        "task": "classify",
        "path": "backbone",
        "component": "backbone",
        "labels": LABELS,
        "head": {"kind": "linear", "layers": case.layers},
    }
    (folder / "task.json").write_text(json.dumps(task, indent=1) + "\n")
    (folder / "base.txt").write_text(case.base + "\n")
    expected = {"tokens": tokens}
    for prefix, found in (("bare.", bare), ("", adapted)):
        expected[f"{prefix}states"] = found
        for name, row in (("last", found[-1]), ("mean", found.mean(dim=0))):
            expected[prefix + name] = torch.nn.functional.linear(row, head["weight"], head["bias"])
    save_file(expected, folder / "expected.safetensors")
    moved = (adapted - bare).abs().mean().item()
    print(f"{case.name:20} over {case.base:15} after {case.layers} blocks, mean change of a state {moved:5.2f}")


def main() -> None:
    # peft warns on every save that it cannot find the base on a hub.
    warnings.filterwarnings("ignore", module="peft")
    for case in CASES:
        write(case)


if __name__ == "__main__":
    main()
