"""Adapters that write: LoRA on linears of all blocks, taught by the answer's tokens in the chat format."""

from __future__ import annotations

import copy
import hashlib
import json
import random
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from peft import PeftModel
from tqdm import tqdm

from ..clock import computed
from ..data import Example
from ..errors import InputError
from . import language, loop, states
from .baseline import nearest
from .division import divide
from .foundation import Component
from .language import Language
from .request import Request, Trained
from .scores import texts

MOST_TOKENS = 320
"""Of prompt and answer in training; rows beyond are left out, as a cut answer would teach to stop early."""
MOST_VALID = 128
TRAINING = 0.75
"""Share of the budget for the loop."""
EVALUATIONS, PATIENCE = 10, 4
MOST_PASSES = 6
NEW_TOKENS = 64
MOST_WRITTEN = 100
"""Test rows that are answered in full: each takes about a second, twice."""
IGNORED = -100


@dataclass(frozen=True)
class Encoded:
    """A prompt in the model's chat format, and the answer with its closing token."""

    prompt: list[int]
    answer: list[int]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


def train(request: Request, component: Component) -> Trained:
    """Trains an adapter that writes `output`, and scores it in fp32, as it is stored, beside the bare model."""
    begun = computed()
    if request.data.description.template:
        raise InputError(
            request.data.path / "data.json", "template is for labels; put words around a text into its rows"
        )
    recipe = request.recipe
    exact = language.load(component, device=recipe.device)
    if not getattr(exact.tokenizer, "chat_template", None):
        raise InputError(component.entry, "the model has no chat template, which adapters that write are trained in")
    instructions = request.data.description.instructions
    learn_rows, valid_rows = divide(request, MOST_VALID)
    learn = _fitting(request, exact, instructions, learn_rows)
    valid = _fitting(request, exact, instructions, valid_rows)
    test_rows = list(request.data.split("test").examples) or valid_rows
    random.Random(request.seed).shuffle(test_rows)
    test_rows = test_rows[: request.test_rows]
    print(f"{len(learn)} rows of {sum(map(len, learn)) / len(learn):.0f} tokens, {len(valid)} for validation")
    half = Language(exact.tokenizer, copy.deepcopy(exact.model).to(torch.bfloat16))
    every = range(len(half.blocks))
    torch.manual_seed(request.seed)
    model = recipe.adapted(half)
    progress = _fit(request, model, learn, valid, _digest(request, component, learn))
    tensors = {name: value.detach().half().cpu() for name, value in language.learned(model).items()}
    stored = language.with_lora(exact, recipe.rank, list(recipe.modules), every)
    language.fill(stored, tensors, request.data.path)
    test = [encode(exact, instructions, row) for row in test_rows]
    metrics = _scores(stored, exact, test, test_rows)
    answered = test_rows[:MOST_WRITTEN]
    similar = nearest(
        [row.prompt for row in learn_rows],
        [row.outputs[0] for row in learn_rows],
        [row.prompt for row in answered],
    )
    found = texts(similar, [row.outputs for row in answered])
    metrics |= {f"retrieval_{name}": value for name, value in found.items()}
    count = sum(value.numel() for value in tensors.values())
    metrics |= {
        "valid_loss": -progress.scores[progress.best][1],
        "train_rows": len(learn), "valid_rows": len(valid), "test_rows": len(test), "written_rows": len(answered),
        "parameters": count, "parameter_share": count / (exact.parameters() - count),
        "steps": progress.step, "seconds": computed() - begun,
    }  # fmt: skip
    task: dict[str, Any] = {"task": "generate", "path": "backbone"}
    if instructions:
        task["instructions"] = instructions
    config = language.config(component, exact, recipe.rank, list(recipe.modules), every)
    return Trained(tensors, config, task, metrics, progress.losses)


def encode(model: Language, instructions: str, row: Example) -> Encoded:
    """A row in the model's chat format; the first of several right answers is the one to learn."""
    system = [{"role": "system", "content": instructions}] if instructions else []
    messages = [*system, {"role": "user", "content": row.prompt}]
    tokenizer = model.tokenizer
    prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    answer = tokenizer(row.outputs[0], add_special_tokens=False)["input_ids"]
    return Encoded(tokenizer(prompt, add_special_tokens=False)["input_ids"], [*answer, model.end])


def _fitting(request: Request, model: Language, instructions: str, rows: Sequence[Example]) -> list[Encoded]:
    encoded = [encode(model, instructions, row) for row in rows]
    kept = [row for row in encoded if len(row) <= MOST_TOKENS]
    if not kept:
        raise InputError(request.data.path, f"no row has at most {MOST_TOKENS} tokens with its answer")
    if len(kept) < len(encoded):
        print(f"{len(encoded) - len(kept)} rows have more than {MOST_TOKENS} tokens and are left out")
    return kept


def batch(rows: Sequence[Encoded]) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens, padded at the right, and for each the next one where it belongs to an answer, IGNORED elsewhere."""
    tokens, _ = states.padded([(row.prompt + row.answer)[:-1] for row in rows])
    targets = torch.full_like(tokens, IGNORED)
    for place, row in enumerate(rows):
        targets[place, len(row.prompt) - 1 : len(row) - 1] = torch.tensor(row.answer)
    return tokens, targets


def answer_loss(model: PeftModel, tokens: torch.Tensor, targets: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    """Cross-entropy of the answers' tokens; only their positions pass the output matrix, the largest of the model."""
    llama: Any = model.base_model.model
    tokens, targets = tokens.to(llama.device), targets.to(llama.device)
    hidden = llama.model(input_ids=tokens, use_cache=False).last_hidden_state
    counted = targets != IGNORED
    logits = F.linear(hidden[counted], llama.lm_head.weight)
    return F.cross_entropy(logits.float(), targets[counted], reduction=reduction)


def _fit(request: Request, model: PeftModel, learn: list[Encoded], valid: list[Encoded], digest: str) -> loop.Progress:
    recipe = request.recipe
    passes = states.Passes([len(row) for row in learn], recipe.batch, request.seed)

    def loss(step: int) -> torch.Tensor:
        with recipe.autocast():
            return answer_loss(model, *batch([learn[i] for i in passes.batch(step)]))

    def evaluate() -> loop.Score:
        with recipe.autocast():
            found = _mean_loss(model, valid)
        return loop.Score(-found, found)

    parameters = language.learned(model)
    groups = [{"params": list(parameters.values()), "lr": recipe.rate, "weight_decay": 0.0}]
    steps = (recipe.passes or MOST_PASSES) * len(passes)
    schedule = loop.Schedule(steps, TRAINING * 60 * request.minutes, EVALUATIONS, PATIENCE)
    return loop.fit(loop.Job(request.name, parameters, groups, loss, evaluate, digest), schedule, request.checkpoint)


@torch.no_grad()
def _mean_loss(model: PeftModel, rows: Sequence[Encoded]) -> float:
    """Nats per token of the answers."""
    total = 0.0
    for group in states.groups([len(row) for row in rows]):
        total += float(answer_loss(model, *batch([rows[i] for i in group]), reduction="sum"))
    return total / sum(len(row.answer) for row in rows)


def _scores(model: PeftModel, exact: Language, test: list[Encoded], rows: list[Example]) -> dict[str, float]:
    """Loss on all rows and what is written for some, of the adapter and of the bare model."""
    metrics: dict[str, float] = {}
    references = [row.outputs for row in rows[:MOST_WRITTEN]]
    for prefix, setting in (("base_", model.disable_adapter()), ("", nullcontext())):
        with setting:
            metrics[f"{prefix}loss"] = _mean_loss(model, test)
            written = write(model, exact, [row.prompt for row in test[:MOST_WRITTEN]], prefix + "answers")
        metrics |= {prefix + name: value for name, value in texts(written, references).items()}
    return metrics


@torch.no_grad()
def write(model: PeftModel, told: Language, prompts: list[list[int]], title: str) -> list[str]:
    """Greedy answers, in batches of similar length padded at the left."""
    out = [""] * len(prompts)
    generator: Any = model
    with tqdm(total=len(prompts), desc=title, mininterval=2, unit="text") as bar:
        for group in states.groups([len(prompt) for prompt in prompts], tokens=25 * MOST_TOKENS):
            width = max(len(prompts[i]) for i in group)
            tokens = torch.full((len(group), width), told.end)
            mask = torch.zeros_like(tokens)
            for place, i in enumerate(group):
                tokens[place, width - len(prompts[i]) :] = torch.tensor(prompts[i])
                mask[place, width - len(prompts[i]) :] = 1
            made = generator.generate(
                input_ids=tokens.to(model.device), attention_mask=mask.to(model.device),
                max_new_tokens=NEW_TOKENS, do_sample=False,
                eos_token_id=told.end, pad_token_id=told.end,
            )  # fmt: skip
            for place, i in enumerate(group):
                out[i] = told.tokenizer.decode(made[place, width:], skip_special_tokens=True).strip()
            bar.update(len(group))
    return out


def _digest(request: Request, component: Component, learn: list[Encoded]) -> str:
    """Equal for runs whose checkpoints fit each other."""
    rows = [(row.prompt, row.answer) for row in learn]
    told = [component.fingerprint, request.seed, rows, *request.recipe.told(), MOST_TOKENS]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
