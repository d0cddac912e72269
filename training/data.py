"""Examples for the adapters: read from the data sets, filtered, turned into token ids, batched."""

from __future__ import annotations

import io
import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import zstandard
from transformers import PreTrainedTokenizerBase

SETS: Path = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
IGNORED = -100

_OPTION = re.compile(r"\{\{\[(?P<short>[^|\]]*)\|(?P<long>[^\]]*)\]\}\}")
_PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}")
_MNEMONIC = re.compile(r"\[(\w+)\]")


@dataclass(frozen=True)
class Example:
    """What a user writes and what the model is to answer."""

    question: str
    answer: str


@dataclass(frozen=True)
class Split:
    """Training and test examples of one task, disjoint."""

    train: list[Example]
    test: list[Example]


@dataclass(frozen=True)
class Encoded:
    """A prompt in the model's chat format, and the answer with its closing token."""

    prompt: list[int]
    answer: list[int]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


def rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a `.jsonl.zst` file."""
    with zstandard.open(path, "rb") as stream:
        return [json.loads(line) for line in io.TextIOWrapper(stream, "utf-8")]


def program(command: str) -> str:
    """The first word of a command, `sudo` aside."""
    words = command.removeprefix("sudo ").split()
    return words[0] if words else ""


def plain_command(template: str) -> str:
    """A tldr template as a command: long options are chosen, braces round placeholders go."""
    return _PLACEHOLDER.sub(r"\1", _OPTION.sub(r"\g<long>", template)).strip()


def shell(settings: dict[str, Any]) -> Split:
    """tldr examples of the listed programs whose description belongs to one program only."""
    folder = SETS / settings["folder"]
    everything = rows(folder / "train.jsonl.zst") + rows(folder / "valid.jsonl.zst")
    listed = set(settings["programs"])
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for row in everything:
        owners[row["intent"].lower()].add(program(plain_command(row["code"])))
    found: dict[str, Example] = {}
    for row in everything:
        command = plain_command(row["code"])
        known = program(command) in listed and {row["command"], row["command"].split("-")[0]} & listed
        clear = len(owners[row["intent"].lower()]) == 1 and "{{" not in command and "\n" not in command
        if known and clear and row["platform"] in ("common", "linux"):
            question = _MNEMONIC.sub(r"\1", row["intent"]).replace("`", "")
            # One example a command and a description, so that none is in both parts.
            if question.lower() not in found and all(command != e.answer for e in found.values()):
                found[question.lower()] = Example(question, command)
    examples = list(found.values())
    random.Random(settings["seed"]).shuffle(examples)
    held_out = settings["test_examples"]
    return Split(train=examples[held_out:], test=examples[:held_out])


def news(settings: dict[str, Any], labels: list[str]) -> Split:
    """AG News: the set's own parts, the test part sampled."""
    folder = SETS / settings["folder"]

    def part(name: str) -> list[Example]:
        examples = [Example(row["text"], labels[row["label"]]) for row in rows(folder / f"{name}.jsonl.zst")]
        random.Random(settings["seed"]).shuffle(examples)
        return examples

    return Split(train=part("train"), test=part("test")[: settings["test_examples"]])


def load(config: dict[str, Any]) -> Split:
    """The examples that a run's configuration asks for."""
    if config["data"]["reader"] == "shell":
        return shell(config["data"])
    return news(config["data"], config["labels"])


def encode(tokenizer: PreTrainedTokenizerBase, instructions: str, example: Example, limit: int) -> Encoded:
    """Chat format; a question that would exceed `limit` tokens in all is cut at its end."""
    question = tokenizer(example.question, add_special_tokens=False)["input_ids"]
    answer = tokenizer(example.answer, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]

    def prompt(tokens: list[int]) -> list[int]:
        messages = [
            {"role": "system", "content": instructions},
            {"role": "user", "content": tokenizer.decode(tokens)},
        ]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    rendered = prompt(question)
    excess = len(rendered) + len(answer) - limit
    return Encoded(prompt(question[:-excess]) if excess > 0 else rendered, answer)


def batches(examples: list[Encoded], size: int, seed: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless `(tokens, targets)`, padded at the right; neighbours in length share a batch.

    Targets are the next tokens where these belong to an answer, IGNORED elsewhere. The
    order is a function of `seed` alone: a resumed run skips what it has seen.
    """
    epoch = 0
    while True:
        dice = random.Random(f"{seed}:{epoch}")
        order = dice.sample(examples, len(examples))
        groups: list[list[Encoded]] = []
        for start in range(0, len(order), 16 * size):
            near = sorted(order[start : start + 16 * size], key=len)
            groups += [near[i : i + size] for i in range(0, len(near), size)]
        dice.shuffle(groups)
        for group in groups:
            width = max(map(len, group)) - 1
            tokens = torch.zeros(len(group), width, dtype=torch.long)
            targets = torch.full((len(group), width), IGNORED)
            for row, example in enumerate(group):
                ids = example.prompt + example.answer
                tokens[row, : len(ids) - 1] = torch.tensor(ids[:-1])
                targets[row, len(example.prompt) - 1 : len(ids) - 1] = torch.tensor(example.answer)
            yield tokens, targets
        epoch += 1
