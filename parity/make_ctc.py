"""Writes the goldens of CTC recognisers: tiny random wav2vec 2.0 models of both norms and both orders, and a LoRA adapter.

`models/wav2vec2-*` hold whole directories with vocabulary and preprocessing, and `expected.safetensors` with `sound`
[samples], and of it `states` [frames, width] and `logits` [frames, vocabulary]; `short_logits` are those of its first 700
samples. `decoded.json` has the text that transformers decodes. `peft/wav2vec2-*` hold `logits` under adapters, one of which brings its own head.
`models/tower-speech*` are our own speech towers, over one axis and over two: `sound`, `logits`, `short_logits`, and
`peft/tower-speech-r2` the same under an adapter. `ctc/decoded.json` lists token ids with their texts by `Wav2Vec2CTCTokenizer` of each vocabulary.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers.audio_utils import mel_filter_bank

import paths
from make_models import fresh
from randomise import randomise
from tower import Tower

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


def write_head(model: transformers.Wav2Vec2ForCTC) -> None:
    """An adapter that brings a head for another alphabet."""
    vocabulary = ["", "|", "x", "y", "z"]
    model = copy.deepcopy(model)
    model.lm_head = torch.nn.Linear(model.config.hidden_size, len(vocabulary))
    adapted = get_peft_model(model, LoraConfig(r=2, lora_alpha=3, target_modules=["q_proj"], modules_to_save=["lm_head"]))
    generator = torch.Generator().manual_seed(8)
    with torch.no_grad():
        for key, tensor in adapted.named_parameters():
            if "lora_" in key or "modules_to_save" in key:
                tensor.copy_(0.5 * torch.randn(tensor.shape, generator=generator))
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)
    inputs = extractor(sound(1.5).numpy(), sampling_rate=RATE, return_tensors="pt").input_values
    with torch.no_grad():
        logits = adapted.eval()(inputs).logits[0]
    target = fresh(paths.PEFT / "wav2vec2-head")
    adapted.save_pretrained(target, save_embedding_layers=False)
    (target / "README.md").unlink(missing_ok=True)
    head = {"kind": "ctc", "vocabulary": vocabulary, "blank": 0}
    (target / "task.json").write_text(json.dumps({"path": "encoder", "component": "speech", "head": head}) + "\n")
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


MEL: dict[str, Any] = dict(
    sample_rate=RATE, n_fft=256, hop=160, n_mels=12, f_min=50.0, f_max=7000.0, scale="htk",
    log={"kind": "ln_plus", "offset": 1e-5}, ends="centered", normalize={"kind": "clip_mean", "scale": 3.0},
)  # fmt: skip
TOWERS: dict[str, dict[str, Any]] = {
    "tower-speech": {
        "input": [12, 100],
        "stages": [
            {"type": "conv", "outputs": 14, "kernel": [5], "stride": [2], "padding": [2]},
            {"type": "batch_norm"},
            {"type": "activation", "kind": "gelu"},
            {"type": "residual", "body": [{"type": "conv", "outputs": 14, "kernel": [3], "padding": [1]}]},
            {"type": "transformer", "layers": 1, "heads": 2, "inner": 16},
        ],
    },
    "tower-speech-2d": {
        "input": [1, 12, 80],
        "stages": [
            {"type": "conv", "outputs": 6, "kernel": [3, 3], "stride": [2, 1], "padding": [1, 1]},
            {"type": "activation", "kind": "relu"},
            {"type": "max_pool", "kernel": [3, 2], "stride": [3, 2]},
            {"type": "transformer", "layers": 1, "heads": 2, "inner": 8},
            {"type": "conv", "outputs": 10, "kernel": [2, 3], "padding": [0, 1]},
        ],
    },
}


def log_mel(audio: torch.Tensor) -> torch.Tensor:
    """Our log-mel spectrogram, `[bins, frames]`."""
    window = torch.hann_window(MEL["n_fft"], dtype=torch.float64)
    power = torch.stft(audio.double(), MEL["n_fft"], MEL["hop"], window=window, return_complex=True).abs() ** 2
    filters = mel_filter_bank(
        MEL["n_fft"] // 2 + 1, MEL["n_mels"], MEL["f_min"], MEL["f_max"], RATE, norm=None, mel_scale="htk"
    )
    mel = (torch.from_numpy(filters.T) @ power + MEL["log"]["offset"]).log()
    return ((mel - mel.mean()) / MEL["normalize"]["scale"]).float()


def write_tower(name: str) -> None:
    ctc = {"vocabulary": ["<blank>", "|", "a", "b", "c", "d"], "blank": 0, "mel": MEL}
    config = {"model_type": "loam-tower", "modality": "speech", "dim": 8, "pooling": "mean", **TOWERS[name], "ctc": ctc}
    model = Tower(config).eval()
    randomise(model, name)
    audio = sound(1.0)[: (config["input"][-1] - 1) * MEL["hop"]]
    shape = (1, *config["input"][:-1], -1)

    def logits(of: Any, samples: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return of.frames(log_mel(samples).reshape(shape))[0].contiguous()

    folder = fresh(paths.MODELS / name)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    weights = {k: v.contiguous() for k, v in model.state_dict().items() if v.is_floating_point()}
    save_file(weights, folder / "model.safetensors")
    expected = {"sound": audio, "logits": logits(model, audio), "short_logits": logits(model, audio[:3000])}
    save_file(expected, folder / "expected.safetensors")
    print(f"{name}: {expected['logits'].shape[0]} frames, best {expected['logits'].argmax(-1).tolist()[:40]}")
    if name != "tower-speech":
        return
    kinds = (torch.nn.Conv1d, torch.nn.Linear)
    targets = [key for key, module in model.named_modules() if isinstance(module, kinds)]
    adapted = get_peft_model(model, LoraConfig(r=2, lora_alpha=5, target_modules=targets))
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for key, tensor in adapted.named_parameters():
            if "lora_" in key:
                tensor.copy_(0.3 * torch.randn(tensor.shape, generator=generator))
    target = fresh(paths.PEFT / "tower-speech-r2")
    adapted.save_pretrained(target)
    (target / "README.md").unlink(missing_ok=True)
    (target / "task.json").write_text(json.dumps({"path": "encoder", "component": "speech"}) + "\n")
    save_file({"logits": logits(adapted.base_model.model.eval(), audio)}, target / "expected.safetensors")


if __name__ == "__main__":
    for name in TOWERS:
        write_tower(name)
    models = {name: write(name) for name in VARIANTS}
    write_head(models["wav2vec2-base"])
    write_adapter(models["wav2vec2-base"])
    write_decoded()
