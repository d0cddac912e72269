"""What a stored package that writes, or answers about files, writes in torch: greedily, in fp32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from peft import PeftModel

from ..data import DataFolder, Example
from ..errors import InputError
from ..project.inputs import questions
from ..project.soft import Format, Reader
from ..project.train import written
from . import answer, foundation, generate, language
from .language import Language
from .package import Stored


def texts(stored: Stored, rows: Sequence[Example], data: DataFolder) -> list[str]:
    """One text a row."""
    exact = language.load(foundation.component(stored.base, "backbone"))
    model = _adapted(exact, stored)
    instructions: str = stored.task.get("instructions", "")
    if stored.task["task"] == "generate":
        prompts = [generate.encode(exact.tokenizer, instructions, row).prompt for row in rows]
        return generate.write(model, exact.tokenizer, prompts, "torch")
    sight = answer.sight(data, stored.base)
    asked = questions(list(rows), data, sight.eyes)
    form = Format(exact, instructions)
    tokens = [form.asked(at, row.text, row.answers[0]) for at, row in enumerate(asked.rows)]
    soft = sight.soft(asked.embeddings[[row.input for row in asked.rows]])
    return written(exact, Reader(exact, form.prefix), soft, tokens)


def _adapted(exact: Language, stored: Stored) -> PeftModel:
    config: dict[str, Any] = stored.config
    model = language.with_lora(exact, config["r"], config["target_modules"], range(len(exact.blocks)))
    known = language.learned(model)
    if known.keys() != stored.tensors.keys():
        odd = min(known.keys() ^ stored.tensors.keys())
        raise InputError(stored.base, f"the adapter's tensors are not those of its adapter_config: {odd}")
    with torch.no_grad():
        for name, value in known.items():
            value.copy_(stored.tensors[name])
    return model.eval()
