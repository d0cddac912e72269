"""Writes the goldens of CTC recognisers: tiny random wav2vec 2.0 models of both norms and both orders, and a LoRA adapter.

`models/wav2vec2-*` hold whole directories with vocabulary and preprocessing, and `expected.safetensors` with `sound`
[samples], and of it `states` [frames, width] and `logits` [frames, vocabulary]; `short_logits` are those of its first 700
samples. `decoded.json` has the text that transformers decodes. `peft/wav2vec2-r4` holds `logits` under the adapter.
`ctc/decoded.json` lists token ids with their texts by `Wav2Vec2CTCTokenizer` of each vocabulary.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

import paths
from make_models import fresh
from randomise import randomise

RATE = 16_000
SHAPE: dict[str, Any] = dict(
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=36,
    conv_dim=(12, 14, 16),
    conv_kernel=(10, 3, 2),
    conv_stride=(5, 4, 4),
    num_conv_pos_embeddings=8,
    num_conv_pos_embedding_groups=2,
)
VARIANTS: dict[str, dict[str, Any]] = {
    "wav2vec2-base": dict(feat_extract_norm="group", do_stable_layer_norm=False),
    "wav2vec2-large": dict(
        feat_extract_norm="layer", do_stable_layer_norm=True, conv_bias=True, num_conv_pos_embeddings=7, layer_norm_eps=1e-3
    ),
}
LETTERS = ["|", "E", "T", "A", "O", "N", "I", "'"]
VOCABULARIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "wav2vec2-base": ({t: i for i, t in enumerate(["<pad>", "<s>", "</s>", "<unk>", *LETTERS])}, {}),
    "wav2vec2-large": (
        {t: i for i, t in enumerate(["|", "e", "t", "ä", "ß", "n", "ch", "[UNK]", "[PAD]"])},
        dict(pad_token="[PAD]", unk_token="[UNK]"),
    ),
}


def tokenizer(folder: Path, name: str) -> transformers.Wav2Vec2CTCTokenizer:
    entries, options = VOCABULARIES[name]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "vocab.json"
    file.write_text(json.dumps(entries, ensure_ascii=False) + "\n")
    return transformers.Wav2Vec2CTCTokenizer(str(file), **options)


def sound(seconds: float) -> torch.Tensor:
    """Tones that come and go, and noise."""
    generator = torch.Generator().manual_seed(11)
    time = torch.arange(int(seconds * RATE)) / RATE
    tones = torch.zeros_like(time)
    for hertz, period in [(220.0, 0.7), (510.0, 0.31), (1330.0, 0.43)]:
        tones += 0.2 * torch.sin(2 * torch.pi * hertz * time) * torch.sin(torch.pi * time / period).clamp(min=0)
    return tones + 0.02 * torch.randn(len(time), generator=generator)


def restore_old_names(folder: Path) -> None:
    """Weight norm as torch's hooks spelled it, as in most published checkpoints."""
    tensors = load_file(folder / "model.safetensors")
    renamed = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    for new, old in renamed.items():
        tensors = {key.replace(new, old): value for key, value in tensors.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def write(name: str) -> transformers.Wav2Vec2ForCTC:
    folder = fresh(paths.MODELS / name)
    words = tokenizer(folder, name)
    config = transformers.Wav2Vec2Config(
        **{**SHAPE, **VARIANTS[name]}, vocab_size=len(words.get_vocab()), pad_token_id=words.pad_token_id
    )
    model = transformers.Wav2Vec2ForCTC(config).eval()
    randomise(model, name)
    with torch.no_grad():
        # So that it is sure of various letters and of blanks, and hears no special tokens.
        model.lm_head.weight *= 3
        model.lm_head.bias[words.pad_token_id] += 1.0
        for token in ["<s>", "</s>", words.unk_token]:
            model.lm_head.bias[words.convert_tokens_to_ids(token)] -= 40.0
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=name == "wav2vec2-base")
    audio = sound(1.5)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    for extra in ["special_tokens_map.json"]:
        (folder / extra).unlink(missing_ok=True)
    if name == "wav2vec2-base":
        extractor.save_pretrained(folder)
    else:
        transformers.Wav2Vec2Processor(extractor, words).save_pretrained(folder)
        (folder / "preprocessor_config.json").unlink(missing_ok=True)
        restore_old_names(folder)
    with torch.no_grad():
        inputs = extractor(audio.numpy(), sampling_rate=RATE, return_tensors="pt").input_values
        out = model(inputs, output_hidden_states=True)
        short = extractor(audio[:700].numpy(), sampling_rate=RATE, return_tensors="pt").input_values
        short_logits = model(short).logits
        states = model.wav2vec2(inputs).last_hidden_state
    expected = {"sound": audio, "logits": out.logits[0], "states": states[0], "short_logits": short_logits[0]}
    save_file({k: v.contiguous() for k, v in expected.items()}, folder / "expected.safetensors")
    text = words.decode(out.logits[0].argmax(-1))
    (folder / "decoded.json").write_text(json.dumps({"text": text}, ensure_ascii=False) + "\n")
    print(f"{name}: {out.logits.shape[1]} frames, {text!r}")
    return model


def write_adapter(model: transformers.Wav2Vec2ForCTC) -> None:
    kinds = (torch.nn.Conv1d, torch.nn.Linear)
    targets = [key for key, module in model.named_modules() if isinstance(module, kinds)]
    adapted = get_peft_model(model, LoraConfig(r=4, lora_alpha=6, target_modules=targets))
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for key, tensor in adapted.named_parameters():
            if "lora_" in key:
                tensor.copy_(0.2 * torch.randn(tensor.shape, generator=generator))
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)
    inputs = extractor(sound(1.5).numpy(), sampling_rate=RATE, return_tensors="pt").input_values
    with torch.no_grad():
        logits = adapted.eval()(inputs).logits[0]
    target = fresh(paths.PEFT / "wav2vec2-r4")
    # peft would store the frozen head beside its deltas, and fails at it for want of an embedding table.
    adapted.save_pretrained(target, save_embedding_layers=False)
    (target / "README.md").unlink(missing_ok=True)
    (target / "task.json").write_text(json.dumps({"path": "encoder", "component": "speech"}) + "\n")
    save_file({"logits": logits.contiguous()}, target / "expected.safetensors")


def write_decoded() -> None:
    """Sequences of token ids, one per frame, and their texts."""
    generator = torch.Generator().manual_seed(3)
    cases = []
    for name in VOCABULARIES:
        words = tokenizer(paths.MODELS / name, name)
        count = len(words.get_vocab())
        for length in [1, 2, 5, 30, 80]:
            for _ in range(6):
                runs = torch.randint(0, count, (length,), generator=generator)
                repeats = torch.randint(1, 4, (length,), generator=generator)
                ids = runs.repeat_interleave(repeats).tolist()
                cases.append({"model": name, "ids": ids, "text": words.decode(ids)})
    folder = fresh(paths.FIXTURES / "ctc")
    (folder / "decoded.json").write_text(json.dumps(cases, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    models = {name: write(name) for name in VARIANTS}
    write_adapter(models["wav2vec2-base"])
    write_decoded()
