"""Writes the goldens of AST: `models/ast-tiny` (with a classifier), `models/ast-bare-tiny` (without), `peft/ast-r2`.

`expected.safetensors` of a model holds `spectrograms` [B, frames, bins], `states` [B, tokens, width], `embedding` [B, width]
and, with a classifier, `classes` [B, labels]; further `sound.<n>`, samples at 16 kHz, with `heard.<n>`, what transformers'
extractor and network make of them. One sound is longer than the network reads, one shorter. The adapter is on every linear
and on the patches.
"""

from __future__ import annotations

import json
from typing import Any

import torch
import transformers
from transformers import ASTConfig, ASTFeatureExtractor

import paths
from make_pairs import adapted, expect, made, made_again, save
from tiny import seeded

RATE = 16_000
# Strides differ, and neither axis divides: a column and a row fill no patch.
SIZES: dict[str, Any] = dict(
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=2,
    patch_size=6,
    frequency_stride=4,
    time_stride=5,
    max_length=33,
    num_mel_bins=27,
)
LABELS = {0: "speech", 1: "siren", 2: "rain", 3: "dog"}
SAMPLES = (7000, 2500)


def spectrograms(name: str) -> torch.Tensor:
    shape = (3, SIZES["max_length"], SIZES["num_mel_bins"])
    return torch.randn(shape, generator=seeded(f"{name}/spectrograms"))


def sound(index: int) -> torch.Tensor:
    time = torch.arange(SAMPLES[index], dtype=torch.float64) / RATE
    chirp = 0.4 * torch.sin(2 * torch.pi * (300 * (index + 1) * time + 4000 * time**2))
    noise = 0.05 * torch.randn(SAMPLES[index], generator=seeded(f"ast/sound/{index}"), dtype=torch.float64)
    return (chirp + noise).float()


@torch.no_grad()
def write_classifier() -> None:
    config = ASTConfig(**SIZES, id2label=LABELS, label2id={name: i for i, name in LABELS.items()})
    model = made(transformers.ASTForAudioClassification(config), "ast")
    inputs = spectrograms("ast")
    out = model.audio_spectrogram_transformer(inputs)
    tensors = {
        "spectrograms": inputs,
        "states": out.last_hidden_state,
        "embedding": out.pooler_output,
        "classes": model(inputs).logits,
    }
    extractor = ASTFeatureExtractor(
        max_length=SIZES["max_length"], num_mel_bins=SIZES["num_mel_bins"], mean=-5.1, std=3.7
    )
    for index in range(len(SAMPLES)):
        samples = sound(index)
        mel = extractor(samples.numpy(), sampling_rate=RATE, return_tensors="pt").input_values
        tensors |= {f"sound.{index}": samples, f"mel.{index}": mel[0], f"heard.{index}": model(mel).logits[0]}
    folder = paths.MODELS / "ast-tiny"
    save(folder, model, tensors)
    settings = extractor.to_dict() | {"feature_extractor_type": "ASTFeatureExtractor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings, indent=1, default=str) + "\n")

    modules = ["q_proj", "k_proj", "v_proj", "o_proj", "fc1", "fc2", "projection"]
    peft = adapted("ast-r2", made_again(model, "ast-tiny"), "sound", target_modules=modules)
    inner = peft.base_model.model
    out = inner.audio_spectrogram_transformer(inputs)
    expect(
        paths.PEFT / "ast-r2",
        {"states": out.last_hidden_state, "embedding": out.pooler_output, "classes": inner(inputs).logits},
    )


@torch.no_grad()
def write_bare() -> None:
    """The network alone, whose file names its tensors without the wrapper; no biases of queries, keys and values."""
    model = made(transformers.ASTModel(ASTConfig(**SIZES, qkv_bias=False)), "ast-bare")
    inputs = spectrograms("ast-bare")
    out = model(inputs)
    save(
        paths.MODELS / "ast-bare-tiny",
        model,
        {"spectrograms": inputs, "states": out.last_hidden_state, "embedding": out.pooler_output},
    )


if __name__ == "__main__":
    write_classifier()
    write_bare()
