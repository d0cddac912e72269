"""Measures an adapter on its test examples, beside the model without it.

Greedy decoding in fp32 of the stored (fp16) adapter on the decoded weights of the
GGUF file. Model and adapter get the same prompt and the same reading of their output.
The scores go into the adapter's `task.json`.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import sacrebleu
import torch
from peft import PeftModel
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

import data
import model as models
from train_adapter import ADAPTERS, WORK

NEW_TOKENS: dict[str, int] = {"generate": 48, "classify": 24}


@dataclass(frozen=True)
class Output:
    """What was generated, and how the labels ranked as the first token."""

    text: str
    best_label: int | None


@torch.no_grad()
def generate(
    model: PeftModel, tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]], new_tokens: int, labels: list[str]
) -> list[Output]:
    """Greedy continuations, in batches of similar length padded at the left."""
    firsts = [tokenizer(label, add_special_tokens=False)["input_ids"][0] for label in labels]
    if len(set(firsts)) != len(labels):
        raise SystemExit("labels share their first token; they cannot be ranked by it")
    outputs: dict[int, Output] = {}
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    for start in tqdm(range(0, len(order), 25), mininterval=5):
        chosen = order[start : start + 25]
        width = max(len(prompts[i]) for i in chosen)
        tokens = torch.full((len(chosen), width), tokenizer.eos_token_id)
        mask = torch.zeros_like(tokens)
        for row, i in enumerate(chosen):
            tokens[row, width - len(prompts[i]) :] = torch.tensor(prompts[i])
            mask[row, width - len(prompts[i]) :] = 1
        made = model.generate(
            input_ids=tokens, attention_mask=mask, max_new_tokens=new_tokens, do_sample=False,
            eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.eos_token_id,
            return_dict_in_generate=True, output_logits=True,
        )
        ranked = made.logits[0][:, firsts].argmax(-1).tolist() if labels else [None] * len(chosen)
        for row, i in enumerate(chosen):
            text = tokenizer.decode(made.sequences[row, width:], skip_special_tokens=True)
            outputs[i] = Output(text, ranked[row])
    return [outputs[i] for i in range(len(prompts))]


def command_in(text: str) -> str:
    """The command that a person would take from the text.

    The first line of the first fenced block, or without one the first line of all;
    comments, inline backticks and a prompt sign do not count.
    """
    fenced = text.split("```")[1].partition("\n")[2] if "```" in text else ""
    for part in (fenced, text.replace("```", "")):
        lines = [line.strip().strip("`").removeprefix("$ ") for line in part.splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        if lines:
            return lines[0]
    return ""


def label_in(text: str, labels: list[str]) -> str | None:
    """The label that the text names first, however it is written."""
    places = {label: text.lower().find(label.lower()) for label in labels}
    named = {label: place for label, place in places.items() if place >= 0}
    return min(named, key=named.__getitem__) if named else None


def classify_scores(outputs: list[Output], examples: list[data.Example], labels: list[str]) -> dict[str, float]:
    """Accuracy of the generated text, of the best first token among the labels, and how often no label came."""
    named = [label_in(output.text, labels) for output in outputs]
    count = len(examples)
    return {
        "accuracy": sum(n == e.answer for n, e in zip(named, examples)) / count,
        "accuracy_ranked": sum(labels[o.best_label or 0] == e.answer for o, e in zip(outputs, examples)) / count,
        "unlabelled": named.count(None) / count,
    }


def command_scores(outputs: list[Output], examples: list[data.Example]) -> dict[str, float]:
    """Right program, whole command, and likeness in characters (chrF, 0 to 1)."""
    commands = [command_in(output.text) for output in outputs]
    answers = [example.answer for example in examples]
    count = len(examples)
    return {
        "program": sum(data.program(c) == data.program(a) for c, a in zip(commands, answers)) / count,
        "exact": sum(" ".join(c.split()) == " ".join(a.split()) for c, a in zip(commands, answers)) / count,
        "chrf": sacrebleu.corpus_chrf(commands, [answers]).score / 100,
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("config", type=Path)
    arguments.add_argument("--adapter", type=Path, help="the adapter's folder")
    arguments.add_argument("--work", type=Path, default=WORK, help="where the outputs go")
    arguments.add_argument("--threads", type=int, default=2)
    chosen = arguments.parse_args()
    torch.set_num_threads(chosen.threads)
    config = tomllib.loads(chosen.config.read_text())
    folder = chosen.adapter or ADAPTERS / config["name"]
    tokenizer = models.tokenizer()
    examples = data.load(config).test
    labels = config.get("labels", [])
    limit = config["data"]["max_tokens"]
    prompts = [data.encode(tokenizer, config["instructions"], example, limit).prompt for example in examples]
    model = PeftModel.from_pretrained(models.frozen(), folder).eval()
    metrics: dict[str, float] = {"test_examples": len(examples)}
    written: dict[str, list[Output]] = {}
    for prefix, setting in (("base_", model.disable_adapter()), ("", nullcontext())):
        with setting:
            outputs = written[prefix] = generate(model, tokenizer, prompts, NEW_TOKENS[config["task"]], labels)
        scores = classify_scores(outputs, examples, labels) if labels else command_scores(outputs, examples)
        metrics |= {prefix + name: round(score, 4) for name, score in scores.items()}
        print(f"{prefix or 'adapter'}: {scores}", flush=True)
    task = json.loads((folder / "task.json").read_text())
    task["metrics"] = dict(sorted(metrics.items()))
    models.write_json(folder / "task.json", task)
    with (chosen.work / f"{config['name']}.outputs.jsonl").open("w") as stream:
        for example, base, adapted in zip(examples, written["base_"], written[""]):
            line = {"question": example.question, "answer": example.answer, "base": base.text, "adapter": adapted.text}
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
