"""Writes the sentence-encoder goldens: a tiny random BERT and twenty real MiniLM embeddings.

`models/bert-tiny` needs no tokenizer: `tokens` and `attention_mask` [B, T] with
padding on the right, and `expected` [B, T, hidden], the last hidden state with
padded positions set to zero. `minilm/` holds twenty sentences that try the
tokenizer (accents, emoji, other scripts, digits, truncation) and the normalized
`embeddings` [20, 384] that sentence-transformers gives for all-MiniLM-L6-v2.
"""

from __future__ import annotations

import json

import numpy as np
import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from transformers import BertConfig, BertModel

import paths
import tiny
from make_models import fresh

LENGTHS = (16, 9, 1)

LONG = (
    "The ferry that crosses the sound each morning carries more bicycles than cars, and its crew "
    "has learned to read the weather from the colour of the far shore. "
)

SENTENCES: tuple[str, ...] = (
    "A small engine should answer before the kettle boils.",
    "How do I reset the alarm on my watch?",
    "Der Zug nach Köln fährt heute von Gleis 7 statt von Gleis 3.",
    "Le café était déjà fermé, mais l'odeur du pain flottait encore.",
    "El niño soñó con un pingüino que hablaba español.",
    "Smørrebrød, żółw, čeština, ığdır: letters with marks of every kind.",
    "今日は雨ですが、散歩に行きます。",
    "Завтра утром мы поедем на дачу.",
    "Great job 🎉👍🏽 see you at the 🏖️!",
    "👩‍👩‍👧‍👦",
    "Invoice 4711 of 2024-02-29 totals 1,234.56 EUR (incl. 19% VAT).",
    "3.14159265358979",
    "user@example.org wrote: re: Re: RE: lunch???",
    "UPPER CASE AND lower case Should Not Matter Here",
    "fn main() { println!(\"{}\", a[0] << 2 & 0xff); }",
    "  leading spaces,\ta tab,\n a newline and a no-break\u00a0space  ",
    "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverordnung",
    ".",
    "x",
    LONG * 12,
)


def write_bert() -> None:
    folder = fresh(paths.MODELS / "bert-tiny")
    config = BertConfig(
        vocab_size=tiny.VOCAB,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=32,
        type_vocab_size=2,
    )
    config._attn_implementation = "eager"
    model = BertModel(config).eval()
    tiny.randomize(model, "bert-tiny")
    model.save_pretrained(folder)
    mask = torch.stack([(torch.arange(max(LENGTHS)) < n).long() for n in LENGTHS])
    tokens = torch.randint(1, tiny.VOCAB, mask.shape, generator=tiny.seeded("bert-tiny/tokens")) * mask
    with torch.no_grad():
        hidden = model(input_ids=tokens, attention_mask=mask).last_hidden_state
    expected = (hidden * mask[..., None]).contiguous()
    save_file(
        {"tokens": tokens, "attention_mask": mask, "expected": expected}, folder / "expected.safetensors"
    )
    print(f"bert-tiny   {tuple(expected.shape)}, max {expected.abs().max():.2f}")


def write_minilm() -> None:
    folder = fresh(paths.MINILM)
    encoder = SentenceTransformer(str(paths.MINILM_MODEL), device="cpu")
    # One at a time: padding within a batch must not be able to matter.
    rows = [encoder.encode(text, convert_to_numpy=True) for text in SENTENCES]
    embeddings = torch.from_numpy(np.stack(rows).astype(np.float32))
    (folder / "sentences.json").write_text(json.dumps(SENTENCES, ensure_ascii=False, indent=2) + "\n")
    save_file({"embeddings": embeddings}, folder / "expected.safetensors")
    length = len(encoder.tokenizer.tokenize(SENTENCES[-1]))
    norms = embeddings.norm(dim=1)
    print(f"minilm      {tuple(embeddings.shape)}, norms {norms.min():.6f} to {norms.max():.6f}")
    print(f"            longest sentence {length} tokens, limit {encoder.max_seq_length}")
    if length <= encoder.max_seq_length:
        raise SystemExit("the longest sentence is not truncated")


def main() -> None:
    write_bert()
    write_minilm()


if __name__ == "__main__":
    main()
