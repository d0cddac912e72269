"""What a stored package that writes, or answers about files, writes in torch: greedily, in fp32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from peft import PeftModel

from ..data import DataFolder, Example
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
        prompts = [generate.encode(exact, instructions, row).prompt for row in rows]
        return generate.write(model, exact, prompts, "torch")
    sight = answer.sight(data, stored.base)
    asked = questions(list(rows), data, sight.eyes)
    form = Format(exact, instructions)
    tokens = [form.asked(at, row.text, row.answers[0]) for at, row in enumerate(asked.rows)]
    soft = sight.soft(asked.embeddings[[row.input for row in asked.rows]])
    return written(exact, Reader(exact, form.prefix), soft, tokens)


def _adapted(exact: Language, stored: Stored) -> PeftModel:
    config: dict[str, Any] = stored.config
    model = language.with_lora(exact, config["r"], config["target_modules"], range(len(exact.blocks)))
    language.fill(model, stored.tensors, stored.base)
    return model.eval()
