"""A backbone of a few thousand weights with a tokenizer and a chat format, as a foundation's component."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from loam_train.adapter import cli

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write(folder: Path, texts: Sequence[str]) -> dict[str, Any]:
    """A random model of four blocks in Hugging Face's layout, whose words are those of `texts`; its manifest entry."""
    entry = folder / "backbone"
    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces.decoder = decoders.ByteLevel()
    special = ["<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    pieces.train_from_iterator(texts, trainer)
    options: dict[str, Any] = {"eos_token": "<|im_end|>", "chat_template": TEMPLATE}
    tokenizer: Any = PreTrainedTokenizerFast(tokenizer_object=pieces, **options)  # type: ignore[no-untyped-call]
    tokenizer.save_pretrained(entry)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=True, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(entry)
    digest = hashlib.sha256((entry / "model.safetensors").read_bytes()).hexdigest()
    files = [{"path": "backbone/model.safetensors", "bytes": 0, "sha256": digest}]
    return {"name": "backbone", "kind": "backbone", "format": "hugging-face", "entry": "backbone", "files": files}


def write_encoder(folder: Path, words: Sequence[str]) -> dict[str, Any]:
    """A random text encoder of one block of BERT, which knows whole words; its manifest entry."""
    entry = folder / "text"
    known = {word: index for index, word in enumerate(["[PAD]", "[UNK]", *words])}
    pieces = Tokenizer(models.WordLevel(known, unk_token="[UNK]"))
    pieces.pre_tokenizer = pre_tokenizers.Whitespace()
    options: dict[str, Any] = {"pad_token": "[PAD]", "unk_token": "[UNK]"}
    made: Any = PreTrainedTokenizerFast(tokenizer_object=pieces, **options)  # type: ignore[no-untyped-call]
    made.save_pretrained(entry)
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    BertModel(BertConfig(vocab_size=len(known), **sizes)).save_pretrained(entry)
    digest = hashlib.sha256((entry / "model.safetensors").read_bytes()).hexdigest()
    files = [{"path": "text/model.safetensors", "bytes": 0, "sha256": digest}]
    return {"name": "text", "kind": "text-encoder", "format": "hugging-face", "entry": "text", "files": files}


def adapt(component: str, foundation: Path, *arguments: Any) -> int:
    """The `adapter` command on a component, as typed; gives its status."""
    parser = argparse.ArgumentParser()
    cli.add_commands(parser.add_subparsers(required=True))
    # Long enough for steps, not the clock, to decide: what comes out is then the same everywhere.
    given = ["adapter", *map(str, arguments), "--on", component, "--foundation", str(foundation), "--minutes", "10"]
    chosen = parser.parse_args(given)
    code: int = chosen.run(chosen)
    return code
