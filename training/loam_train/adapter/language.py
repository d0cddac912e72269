"""The frozen language model that adapters are trained on: the weights as the device has them, quantized blocks decoded."""

from __future__ import annotations

import contextlib
import io
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from .. import places
from ..errors import InputError
from .foundation import Component

_PLACE = "\x01"
"""Stands for an answer while the chat template is filled; no text has it."""
LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
"""All linear layers of a block of the Llama family."""


@dataclass
class Language:
    """A model and its tokenizer. Its weights do not learn."""

    tokenizer: Any
    model: Any
    """`transformers`' causal language model of the Llama family."""

    @property
    def blocks(self) -> Any:
        """Its transformer blocks, in order."""
        return self.model.model.layers

    @property
    def width(self) -> int:
        """Of a hidden state."""
        return int(self.model.config.hidden_size)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        found: torch.device = self.model.device
        return found

    @cached_property
    def end(self) -> int:
        """The token that ends an answer: what the chat template writes after one, as engines stop there. The tokenizer's own
        end token may be another, as some versions of `transformers` read it from a GGUF file."""
        turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _PLACE}]
        after = self.tokenizer.apply_chat_template(turns, tokenize=False).partition(_PLACE)[2]
        special = {token for token, told in self.tokenizer.added_tokens_decoder.items() if told.special}
        ids = self.tokenizer(after, add_special_tokens=False)["input_ids"]
        found = next((token for token in ids if token in special), self.tokenizer.eos_token_id)
        if found is None:
            raise InputError(
                Path(self.tokenizer.name_or_path), "neither its chat template nor its tokenizer ends an answer"
            )
        return int(found)

    def parameters(self) -> int:
        """Weights, a table that is shared counted once."""
        return sum(weight.numel() for weight in self.model.parameters())

    def encode(self, texts: Sequence[str], limit: int) -> list[list[int]]:
        """Token ids without additions, the first `limit` of each text."""
        ids = self.tokenizer(list(texts), add_special_tokens=True)["input_ids"] if texts else []
        return [row[:limit] for row in ids]

    def rotary(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Position embeddings of `[batch, steps, width]`, counted from 0."""
        positions = torch.arange(states.shape[1]).unsqueeze(0)
        turned: tuple[torch.Tensor, torch.Tensor] = self.model.model.rotary_emb(states, position_ids=positions)
        return turned


def load(component: Component, dtype: torch.dtype = torch.float32, device: str = "cpu") -> Language:
    """Reads the component's model.

    Raises:
        InputError: for a component that is no language model of a known kind.
    """
    logging.getLogger("transformers").setLevel(logging.ERROR)
    decoded = places.cache() / "decoded" / component.fingerprint
    where, chosen = component.entry, {}
    if component.format == "gguf" and decoded.is_dir():
        where = decoded
    elif component.format == "gguf":
        where, chosen = component.entry.parent, {"gguf_file": component.entry.name}
    try:
        # Decoding shows bars of its own.
        with contextlib.redirect_stderr(io.StringIO()):
            tokenizer = AutoTokenizer.from_pretrained(where, **chosen)
            # Of the implementations of attention this one has the quickest backward pass on processors.
            model: Any = AutoModelForCausalLM.from_pretrained(
                where, dtype=torch.float32, attn_implementation="eager", **chosen
            )
    except (OSError, ValueError) as error:
        raise InputError(component.entry, f"no language model can be read from it: {error}") from error
    if not hasattr(getattr(model, "model", None), "rotary_emb"):
        raise InputError(component.entry, f"a model of type {model.config.model_type}; the Llama family is trained on")
    if chosen:
        with contextlib.redirect_stderr(io.StringIO()):
            _keep(decoded, tokenizer, model)
    return Language(tokenizer, model.to(device, dtype).eval().requires_grad_(False))


def _keep(folder: Path, tokenizer: Any, model: Any) -> None:
    """Stores decoded weights in fp32, which takes half a gigabyte: decoding takes longer than a small adapter."""
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    tokenizer.save_pretrained(partial)
    # It is no longer quantized, whatever its origin.
    model.hf_quantizer = None
    del model.config.quantization_config
    model.save_pretrained(partial)
    partial.replace(folder)


def with_lora(language: Language, rank: int, modules: list[str], blocks: range) -> PeftModel:
    """Adds a fresh adapter on `modules` of `blocks`, in fp32, scaled by 2 as is usual for alpha = 2 r."""
    shape = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules=modules,
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
        **_where(language, blocks),
    )
    adapted = get_peft_model(language.model, shape)
    for module in adapted.modules():
        if isinstance(module, LoraLayer):
            # Autocast chooses the type already; casting to fp32 first would only copy.
            module.cast_input_dtype_enabled = False
    return adapted


def _where(language: Language, blocks: range) -> dict[str, Any]:
    """PEFT's fields for some of the blocks; none for all of them, as a reader then checks that none is missing."""
    if len(blocks) == language.model.config.num_hidden_layers:
        return {}
    return {"layers_to_transform": list(blocks), "layers_pattern": "layers"}


def fill(model: PeftModel, tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Gives an adapter the values of the package at `path`.

    Raises:
        InputError: for tensors that are not this adapter's.
    """
    known = learned(model)
    if known.keys() != tensors.keys():
        odd = min(known.keys() ^ tensors.keys())
        raise InputError(path, f"its tensors are not those of this rank and reach: {odd}")
    for name, value in tensors.items():
        if value.shape != known[name].shape:
            shapes = f"{list(value.shape)}, expected {list(known[name].shape)}"
            raise InputError(path, f"its tensors are not those of this rank and reach: {name} is {shapes}")
    with torch.no_grad():
        for name, value in known.items():
            value.copy_(tensors[name])


def config(component: Component, language: Language, rank: int, modules: list[str], blocks: range) -> dict[str, Any]:
    """PEFT's `adapter_config.json` of such an adapter."""
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": component.model,
        "r": rank,
        "lora_alpha": 2 * rank,
        "lora_dropout": 0.0,
        "target_modules": modules,
        **_where(language, blocks),
        "bias": "none",
        "fan_in_fan_out": False,
        "use_rslora": False,
        "use_dora": False,
        "inference_mode": True,
    }


def learned(model: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that learn, by PEFT's names in a package."""
    return {
        name.replace(".default.weight", ".weight"): value
        for name, value in model.named_parameters()
        if value.requires_grad
    }
