"""Writes `tags/`: a small BERT that knows its words by pieces, and adapters that tag words on it, as PEFT stores them.

`model` is what `BertForTokenClassification` runs. `plain` is LoRA with its classifier, saved by PEFT; `joint` has rows behind it
that read the mean of all states and tell what the sentence is. `expected.json` holds for each text what torch makes of it: spans in
bytes and characters with scores, by the best of all sequences of tags that are allowed, and the sentence's probabilities.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import torch
import transformers
from peft import LoraConfig, TaskType, get_peft_model
from safetensors.torch import load_file, save_file
from tokenizers import BertWordPieceTokenizer

import paths
from make_models import fresh
from tiny import seeded

FOLDER = paths.FIXTURES / "tags"
TAGS = ["O", "B-song", "I-song", "B-time", "I-time"]
LABELS = ["PlayMusic", "SetAlarm", "GetWeather"]
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "play", "fur", "el", "##ise", "now", "at", "nine", "##teen", "o", "clock", "wake", "me"]
PIECES += ["please", ",", "!", "(", ")", "'", "@", "##s", "the", "song"]
TEXTS = ["play Für Elise now", "(Elise), at nineteen!", "  wake me\tat nine  o'clock ", "@nine ... play", "Elise's song", ""]
WIDTH = 16
AROUND = "\"'`()[]{}<>.,;:!?…“”„‘’«»"


def write_model(folder: Path) -> None:
    fresh(folder)
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n")
    pieces = BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=True)
    pieces.save(str(folder / "tokenizer.json"))
    (folder / "vocab.txt").unlink()
    config = transformers.BertConfig(
        vocab_size=len(PIECES), hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=24, initializer_range=0.3,
    )  # fmt: skip
    torch.manual_seed(11)
    model = transformers.BertModel(config, add_pooling_layer=False)
    # Words that differ more than their places do: else all of them would have one tag.
    model.embeddings.word_embeddings.weight.data *= 6
    model.save_pretrained(folder)


def write_adapters() -> Any:
    torch.manual_seed(12)
    base = transformers.BertForTokenClassification.from_pretrained(FOLDER / "model", num_labels=len(TAGS))
    targets = ["query", "key", "value", "dense"]
    shape = LoraConfig(task_type=TaskType.TOKEN_CLS, r=2, lora_alpha=4, target_modules=targets, init_lora_weights=False)
    model = get_peft_model(base, shape).eval()
    noise = seeded("tags")
    for name, value in model.named_parameters():
        if "lora_" in name or "classifier" in name:
            value.data = torch.randn(value.shape, generator=noise) * (0.2 if "lora_" in name or "bias" in name else 1.2)
    folder = fresh(FOLDER / "plain")
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    described = json.loads((folder / "adapter_config.json").read_text()) | {"base_model_name_or_path": "tags/model"}
    (folder / "adapter_config.json").write_text(json.dumps(described, indent=2, sort_keys=True) + "\n")
    task = {"task": "tag", "path": "encoder", "component": "text", "labels": TAGS, "head": {"kind": "tags"}}
    (folder / "task.json").write_text(json.dumps(task, indent=1) + "\n")
    tensors = load_file(folder / "adapter_model.safetensors")
    more = torch.randn(len(LABELS), WIDTH, generator=noise), torch.randn(len(LABELS), generator=noise)
    joint = fresh(FOLDER / "joint")
    (joint / "adapter_config.json").write_bytes((folder / "adapter_config.json").read_bytes())
    for part, rows in zip(("weight", "bias"), more):
        name = f"base_model.model.classifier.{part}"
        tensors[name] = torch.cat([tensors[name], rows])
    save_file(tensors, joint / "adapter_model.safetensors")
    task["head"]["sentence"] = LABELS
    (joint / "task.json").write_text(json.dumps(task, indent=1) + "\n")
    return model, more


def allowed(path: tuple[int, ...]) -> bool:
    names = ["O", *(TAGS[tag] for tag in path)]
    return all(tag[0] != "I" or before[2:] == tag[2:] for before, tag in zip(names, names[1:]))


@torch.no_grad()
def expected(model: Any, more: tuple[torch.Tensor, torch.Tensor], text: str) -> dict[str, Any]:
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(FOLDER / "model" / "tokenizer.json"), cls_token="[CLS]", sep_token="[SEP]"
    )
    made = tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True, return_tensors="pt")
    out = model(input_ids=made["input_ids"], output_hidden_states=True)
    mean = out.hidden_states[-1][0].mean(0)
    sentence = torch.softmax(more[0] @ mean + more[1], -1)
    places, special = made["offset_mapping"][0].tolist(), made["special_tokens_mask"][0].tolist()
    words, at = [], 0
    for whole in text.split():
        at = text.index(whole, at)
        core = whole.strip(AROUND) or whole
        start = at + whole.index(core)
        words.append((start, start + len(core)))
        at += len(whole)
    firsts = [next(i for i, (begin, _) in enumerate(places) if not special[i] and begin >= start) for start, _ in words]
    scores = torch.log_softmax(out.logits[0][firsts], -1)
    paths_ = [p for p in itertools.product(range(len(TAGS)), repeat=len(words)) if allowed(p)]
    best = max(paths_, key=lambda p: sum(float(scores[i, tag]) for i, tag in enumerate(p)))
    spans: list[dict[str, Any]] = []
    for i, tag in enumerate(best):
        if TAGS[tag][0] == "B":
            spans.append({"label": TAGS[tag][2:], "words": [i]})
        elif TAGS[tag][0] == "I":
            spans[-1]["words"].append(i)
    for span in spans:
        own = span.pop("words")
        start, end = words[own[0]][0], words[own[-1]][1]
        span |= {"text": text[start:end], "start_char": start, "end_char": end}
        span |= {"start": len(text[:start].encode()), "end": len(text[:end].encode())}
        span["score"] = sum(float(scores[i, best[i]].exp()) for i in own) / len(own)
    return {"text": text, "spans": spans, "labels": dict(zip(LABELS, sentence.tolist()))}


def main() -> None:
    write_model(FOLDER / "model")
    model, more = write_adapters()
    found = [expected(model, more, text) for text in TEXTS]
    assert sum(len(one["spans"]) for one in found) >= 4, found
    (FOLDER / "expected.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
