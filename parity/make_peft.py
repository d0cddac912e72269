"""Writes PEFT adapters over the tiny models, with the logits peft computes for them.

Each folder is what save_pretrained leaves (adapter_config.json and
adapter_model.safetensors), base.txt with the name of the model fixture, and
expected.safetensors with `tokens` and `logits`. Both matrices of every pair are
random: a fresh adapter has B = 0 and would hide any mistake. The folders named
refuse-* have no expectation, for no engine may run them as they are.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedModel

import paths
import tiny
from make_models import fresh

LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
LABELS = 3
Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Adapter:
    """One fixture; `lora` are the settings over a rank of 4 on every linear layer."""

    name: str
    base: str
    lora: dict[str, Any] = field(default_factory=dict)
    zero: bool = False
    save_embeddings: bool | str = "auto"
    # Changes the saved tensors in place; the result must be refused.
    spoil: Callable[[Tensors], None] | None = None
    spoil_config: dict[str, Any] = field(default_factory=dict)

    def config(self) -> LoraConfig:
        settings: dict[str, Any] = dict(
            r=4, lora_alpha=8, target_modules=LINEARS, task_type="CAUSAL_LM", lora_dropout=0.05
        )
        return LoraConfig(**{**settings, **self.lora})


def wrong_shape(tensors: Tensors) -> None:
    key = "base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight"
    tensors[key] = tensors[key][:, :-8].contiguous()


def unknown_key(tensors: Tensors) -> None:
    tensors["base_model.model.model.layers.0.self_attn.q_proj.lora_C.weight"] = torch.ones(4, 4)


def missing_b(tensors: Tensors) -> None:
    del tensors["base_model.model.model.layers.1.mlp.down_proj.lora_B.weight"]


ADAPTERS: tuple[Adapter, ...] = (
    Adapter("llama2-all-r4", "llama2"),
    Adapter("llama2-all-r8", "llama2", {"r": 8, "lora_alpha": 12}),
    Adapter("llama2-rslora", "llama2", {"r": 8, "use_rslora": True}),
    Adapter("llama2-layer-1", "llama2", {"layers_to_transform": [1], "target_modules": ["q_proj", "v_proj"]}),
    Adapter(
        "llama2-patterns",
        "llama2",
        {
            "rank_pattern": {"down_proj": 6, "layers.0.self_attn.q_proj": 2},
            "alpha_pattern": {"k_proj": 20, "layers.1.mlp.up_proj": 3},
        },
    ),
    Adapter("llama2-lm-head", "llama2", {"target_modules": [*LINEARS, "lm_head"]}),
    Adapter("llama2-embed", "llama2", {"target_modules": ["embed_tokens", "v_proj"]}, save_embeddings=False),
    # What peft does when not told otherwise: it also saves the frozen embedding table.
    Adapter("llama2-embed-full", "llama2", {"target_modules": ["embed_tokens", "v_proj"]}),
    Adapter("llama2-save-lm-head", "llama2", {"modules_to_save": ["lm_head"]}),
    Adapter("llama2-zero", "llama2", zero=True),
    Adapter("llama2-seqcls", "llama2", {"task_type": "SEQ_CLS"}),
    Adapter("qwen2-all", "qwen2"),
    Adapter("qwen3-all", "qwen3"),
    Adapter("gemma3-all", "gemma3"),
    Adapter("smollm2-all", "smollm2"),
    Adapter("llama-bias-all", "llama-bias"),
    Adapter("mistral-all", "mistral"),
    Adapter("refuse-dora", "llama2", {"use_dora": True}),
    Adapter("refuse-bias", "llama-bias", {"bias": "lora_only"}),
    Adapter("refuse-shape", "llama2", spoil=wrong_shape),
    Adapter("refuse-rank", "llama2", spoil_config={"r": 8}),
    Adapter("refuse-key", "llama2", spoil=unknown_key),
    Adapter("refuse-missing-b", "llama2", spoil=missing_b),
)


def base_model(adapter: Adapter) -> PreTrainedModel:
    """The tiny base in fp32; a sequence classifier where the adapter is one."""
    settings: dict[str, Any] = dict(dtype=torch.float32, attn_implementation="eager")
    if adapter.config().task_type == "SEQ_CLS":
        model_class, settings["num_labels"] = AutoModelForSequenceClassification, LABELS
    else:
        model_class = AutoModelForCausalLM
    return model_class.from_pretrained(paths.MODELS / adapter.base, **settings).eval()


@torch.no_grad()
def train(model: PeftModel, adapter: Adapter) -> None:
    """Stands in for training: gives everything the adapter owns a random value."""
    for key, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        values = 0.3 * torch.randn(parameter.shape, generator=tiny.seeded(f"{adapter.name}/{key}"))
        if adapter.zero and "lora_B" in key:
            values.zero_()
        parameter.copy_(values)


@torch.no_grad()
def run(model: torch.nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    """`[tokens, vocab]` logits, or `[labels]` of the last token for a classifier."""
    return model(input_ids=tokens[None], use_cache=False).logits[0].float().contiguous()


def write(adapter: Adapter) -> None:
    folder = fresh(paths.PEFT / adapter.name)
    model = get_peft_model(base_model(adapter), adapter.config()).eval()
    train(model, adapter)
    model.save_pretrained(folder, save_embedding_layers=adapter.save_embeddings)
    (folder / "README.md").unlink()
    (folder / "base.txt").write_text(adapter.base + "\n")
    rename_base(folder, adapter)
    tokens = tiny.variant(adapter.base).tokens()
    if not adapter.name.startswith("refuse-"):
        logits = run(model, tokens)
        reloaded = PeftModel.from_pretrained(base_model(adapter), folder).eval()
        if not torch.equal(run(reloaded, tokens), logits):
            raise SystemExit(f"{adapter.name}: the saved adapter gives other logits than the one in memory")
        with model.disable_adapter():
            moved = (run(model, tokens) - logits).abs().mean().item()
        save_file({"tokens": tokens, "logits": logits}, folder / "expected.safetensors")
        note = f"mean change of a logit {moved:5.2f}"
    else:
        spoil(folder, adapter)
        note = "to be refused"
    count = len(load_file(folder / "adapter_model.safetensors"))
    print(f"{adapter.name:20} over {adapter.base:10} {count:3} tensors   {note}")


def rename_base(folder: Path, adapter: Adapter) -> None:
    """Names the base by fixture, not by a path of this machine, and sorts what is a set."""
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = adapter.base
    config["target_modules"] = sorted(config["target_modules"])
    path.write_text(json.dumps({**config, **adapter.spoil_config}, indent=2, sort_keys=True) + "\n")


def spoil(folder: Path, adapter: Adapter) -> None:
    if adapter.spoil is None:
        return
    path = folder / "adapter_model.safetensors"
    tensors = load_file(path)
    adapter.spoil(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def main() -> None:
    # peft warns on every save that it cannot find the base on a hub.
    warnings.filterwarnings("ignore", module="peft")
    for adapter in ADAPTERS:
        write(adapter)


if __name__ == "__main__":
    main()
