"""Writes tiny random Whisper models with what transformers computes for them: states, logits, tokens.

`models/whisper` knows four languages and reads 80 mel bins; `models/whisper-en` knows English only, reads 128 bins and has
its tensors under the names of the bare model and its vocabulary in separate files. A window is one second. Each folder is a
whole Hugging Face directory. `expected.safetensors` holds

- `features`, `states`: inputs of single windows and what the encoder makes of them;
- `fed`, `logits`: a sequence of tokens per window and the decoder's logits for it;
- `tokens.CASE.WINDOW`: what `generate` writes down after the prompt, for each case in `cases.json`, whose fields are the
  arguments of `generate` and changes of the generation configuration;
- `sound`, and `long.tokens`, `long.times`: a recording of several seconds and the segments that it is divided into.

The weights make wide margins: the script fails when two tokens are nearly equal, or when a rule never binds.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import GenerationConfig, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

import paths
import tiny
from make_models import fresh

SECONDS = 1
POSITIONS = 50
FRAMES = 2 * POSITIONS
TOKENS = 60
# Inputs of single windows.
WINDOWS = 5
MERGES = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("i", "n"), ("Ġ", "a"), ("e", "r"), ("o", "n"), ("in", "g")]
BEGINNINGS = {True: [29, 312], False: [81, 298]}
LANGUAGES = ["en", "de", "es", "ja"]
# Least difference of the two best logits at every step of a greedy search, 20 times the tolerance of logits.
MARGIN = 2e-3


def bytes_of_gpt2() -> list[str]:
    """The printable characters that stand for bytes, in the order of the real vocabularies."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [b for b in range(256) if b not in plain]
    return [chr(b) for b in plain] + [chr(0x100 + i) for i in range(len(rest))]


def vocabulary(multilingual: bool) -> tuple[dict[str, int], dict[str, int]]:
    """Texts and added tokens, laid out as the real vocabularies."""
    texts = bytes_of_gpt2() + ["".join(pair) for pair in MERGES]
    added = ["<|endoftext|>", "<|startoftranscript|>"]
    added += [f"<|{code}|>" for code in (LANGUAGES if multilingual else LANGUAGES[:1])]
    added += ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    added += [f"<|{0.02 * i:.2f}|>" for i in range(POSITIONS + 1)]
    vocab = {text: i for i, text in enumerate(texts)}
    return vocab, {text: len(vocab) + i for i, text in enumerate(added)}


def write_tokenizer(folder: Any, multilingual: bool) -> None:
    vocab, added = vocabulary(multilingual)
    if not multilingual:
        (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False))
        (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in MERGES))
        (folder / "added_tokens.json").write_text(json.dumps(added))
        return
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=MERGES))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    for text in added:
        special = not text[2:3].isdigit()
        tokenizer.add_special_tokens([AddedToken(text, special=True)]) if special else tokenizer.add_tokens([AddedToken(text)])
    assert tokenizer.get_vocab() == vocab | added
    tokenizer.save(str(folder / "tokenizer.json"))


def generation(multilingual: bool) -> dict[str, Any]:
    vocab, added = vocabulary(multilingual)
    out: dict[str, Any] = dict(
        # Two of the real ones, and two that would else begin texts of these weights.
        begin_suppress_tokens=[vocab["Ġ"], added["<|endoftext|>"], *BEGINNINGS[multilingual]],
        bos_token_id=added["<|endoftext|>"],
        decoder_start_token_id=added["<|startoftranscript|>"],
        eos_token_id=added["<|endoftext|>"],
        pad_token_id=added["<|endoftext|>"],
        is_multilingual=multilingual,
        max_initial_timestamp_index=10,
        max_length=TOKENS,
        no_timestamps_token_id=added["<|notimestamps|>"],
        prev_sot_token_id=added["<|startofprev|>"],
        return_timestamps=False,
        suppress_tokens=[*range(1, 40, 3), vocab["Ġthe"], *(added[f"<|{t}|>"] for t in
                         ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "startoftranscript"))],
    )
    if multilingual:
        out["lang_to_id"] = {f"<|{code}|>": added[f"<|{code}|>"] for code in LANGUAGES}
        out["task_to_id"] = {task: added[f"<|{task}|>"] for task in ("transcribe", "translate")}
    return out


@torch.no_grad()
def randomize(model: WhisperForConditionalGeneration, name: str, multilingual: bool) -> None:
    for key, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=tiny.seeded(f"{name}/{key}"))
        if key == "model.decoder.layer_norm.weight":
            # Of both signs: else the table that is shared by input and output makes every token repeat itself.
            parameter.copy_((1.0 + 0.2 * noise.abs()) * noise.sign())
        elif "norm" in key and key.endswith("weight"):
            parameter.copy_(1.0 + 0.2 * noise)
        elif parameter.dim() == 1:
            parameter.copy_(0.3 * noise)
        elif "embed_tokens" in key:
            parameter.copy_(1.1 * noise)
        elif "embed_positions" in key:
            parameter.copy_(1.5 * noise)
        else:
            gain = 3.5 if "encoder_attn" in key else 1.5
            parameter.copy_(gain * noise / parameter[0].numel() ** 0.5)
    # The last norm's bias gives every token a logit of its own: so texts end, and times and special tokens come up.
    vocab, added = vocabulary(multilingual)
    bias = model.model.decoder.layer_norm.bias
    table = model.model.decoder.embed_tokens.weight

    def lift(ids: list[int], by: float) -> None:
        table[ids] += by * bias / bias.norm() ** 2

    lift(list(range(added["<|0.00|>"], len(table))), 3.0)
    lift([added["<|endoftext|>"]], 6.0 if multilingual else 10.0)
    lift([vocab["Ġthe"], vocab["Ġ"], added["<|translate|>"]], 7.0)
    lift(list(range(1, 40, 3)), 3.0)


def config_of(name: str) -> WhisperConfig:
    multilingual = name == "whisper"
    vocab, added = vocabulary(multilingual)
    shape = dict(d_model=24, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=3,
                 encoder_ffn_dim=40, decoder_ffn_dim=36, num_mel_bins=80)
    if not multilingual:
        shape |= dict(d_model=20, encoder_attention_heads=2, decoder_attention_heads=5, encoder_layers=1, num_mel_bins=128)
    special = {key: generation(multilingual)[key] for key in
               ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")}
    return WhisperConfig(vocab_size=len(vocab) + len(added), max_source_positions=POSITIONS, max_target_positions=TOKENS,
                         suppress_tokens=None, begin_suppress_tokens=None, **shape, **special)


def model_of(name: str) -> WhisperForConditionalGeneration:
    torch.manual_seed(0)
    config = config_of(name)
    config._attn_implementation = "eager"
    model = WhisperForConditionalGeneration(config).eval()
    randomize(model, name, name == "whisper")
    model.tie_weights()
    return model


def cases(multilingual: bool) -> dict[str, dict[str, Any]]:
    """Arguments of `generate`, under "change" those of the generation configuration."""
    out: dict[str, dict[str, Any]] = {
        "timestamps": dict(return_timestamps=True),
        "plain": dict(return_timestamps=False),
        "timestamps-beam": dict(return_timestamps=True, num_beams=4),
        "plain-beam": dict(return_timestamps=False, num_beams=3),
        "no-suppress": dict(return_timestamps=True, change=dict(suppress_tokens=None)),
        "no-begin-suppress": dict(return_timestamps=False, change=dict(begin_suppress_tokens=None)),
        "any-begin": dict(return_timestamps=True, change=dict(max_initial_timestamp_index=None)),
        "short": dict(return_timestamps=True, change=dict(max_length=9)),
    }
    if multilingual:
        out = {case: {"task": "transcribe", **arguments} for case, arguments in out.items()}
        out["german"] = dict(return_timestamps=True, language="de")
        out["translate"] = dict(return_timestamps=False, language="es", task="translate")
    return out


class Narrow(Exception):
    """Two tokens were nearly equal."""


class Margins:
    """Watches the two best scores of each step."""

    def __init__(self) -> None:
        self.least = float("inf")

    def __call__(self, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        best = scores.topk(2).values
        self.least = min(self.least, (best[:, 0] - best[:, 1]).min().item())
        return scores


def run(model: Any, settings: dict[str, Any], features: torch.Tensor, case: dict[str, Any]) -> list[int]:
    case = copy.deepcopy(case)
    merged = {**settings, **case.pop("change", {})}
    margins = Margins()
    # Processors of the caller come last.
    greedy = case.get("num_beams", 1) == 1
    model.generation_config = GenerationConfig(**merged)
    with torch.no_grad():
        out = model.generate(features[None], force_unique_generate_call=True, use_cache=True,
                             logits_processor=[margins] if greedy else None, **case)
    ids = out[0].tolist()
    end = settings["eos_token_id"]
    while ids and ids[-1] == end:
        ids.pop()
    if greedy and margins.least < MARGIN:
        raise Narrow
    return ids


def sound(seconds: float, seed: int) -> np.ndarray:
    """Tones that change their height and loudness, in noise."""
    generator = np.random.default_rng(seed)
    t = np.arange(int(16000 * seconds)) / 16000
    heights = np.repeat(generator.uniform(100, 3000, size=int(seconds * 8) + 1), 2000)[: len(t)]
    loudness = np.repeat(generator.uniform(0.02, 0.8, size=int(seconds * 5) + 1), 3200)[: len(t)]
    wave = loudness * np.sin(2 * np.pi * np.cumsum(heights) / 16000) + 0.01 * generator.standard_normal(len(t))
    return np.clip(np.round(wave * 20000), -32768, 32767).astype(np.int16)


def long_form(model: Any, settings: dict[str, Any], extractor: WhisperFeatureExtractor, pcm: np.ndarray) -> Any:
    """Window after window, as transformers divides and advances, each window's spectrogram for itself."""
    begin = settings["no_timestamps_token_id"] + 1
    samples = pcm.astype(np.float32) / 32768
    seek, tokens, times, windows = 0, [], [], 0
    case: dict[str, Any] = dict(return_timestamps=True)
    if settings["is_multilingual"]:
        case |= dict(language="en", task="transcribe")
    total = len(samples) // 160
    while seek < total:
        frames = min(FRAMES, total - seek)
        window = samples[seek * 160 : (seek + frames) * 160 if frames == FRAMES else None]
        features = extractor(window, sampling_rate=16000, return_tensors="pt").input_features[0]
        prompt = 3 if settings["is_multilingual"] else 1
        ids = torch.tensor(run(model, settings, features, case)[prompt:])
        segments, offset = model._retrieve_segment(
            seek_sequence=ids, seek_outputs=[None], time_offset=torch.tensor([seek * 0.01], dtype=torch.float64),
            timestamp_begin=begin, seek_num_frames=torch.tensor([frames]), time_precision=0.02,
            time_precision_features=0.01, input_stride=2, prev_idx=0, idx=0, return_token_timestamps=False,
            decoder_input_ids=torch.zeros(1, 1),
        )
        for segment in segments:
            times.append([float(segment["start"]), float(segment["end"])])
            tokens.append(segment["tokens"].tolist())
        seek += int(offset)
        windows += 1
    return tokens, times, windows


def write(name: str) -> None:
    folder = fresh(paths.MODELS / name)
    multilingual = name == "whisper"
    model = model_of(name)
    settings = generation(multilingual)
    bins = model.config.num_mel_bins
    extractor = WhisperFeatureExtractor(feature_size=bins, chunk_length=SECONDS)
    written: dict[tuple[str, int], list[int]] = {}
    kept: list[torch.Tensor] = []
    for candidate in range(100):
        noise = torch.randn((bins, FRAMES), generator=tiny.seeded(f"{name}/features/{candidate}"))
        window = (0.7 * noise + 0.5 * noise[:, :1]).half().float()
        try:
            found = {case: run(model, settings, window, arguments) for case, arguments in cases(multilingual).items()}
        except Narrow:
            continue
        written |= {(case, len(kept)): ids for case, ids in found.items()}
        kept.append(window)
        if len(kept) == WINDOWS:
            break
    count, features = WINDOWS, torch.stack(kept)
    out: dict[str, torch.Tensor] = {"features": features.half()}
    with torch.no_grad():
        out["states"] = model.model.encoder(features[:2]).last_hidden_state
        fed = torch.randint(0, model.config.vocab_size, (2, 17), generator=tiny.seeded(f"{name}/fed"))
        out["fed"] = fed.int()
        out["logits"] = model(input_features=features[:2], decoder_input_ids=fed).logits

    for (case, i), ids in written.items():
        out[f"tokens.{case}.{i}"] = torch.tensor(ids, dtype=torch.int32)
    (folder / "cases.json").write_text(json.dumps(cases(multilingual), indent=1) + "\n")
    for rule, base in [("no-suppress", "timestamps"), ("no-begin-suppress", "plain"), ("any-begin", "timestamps"),
                       ("timestamps-beam", "timestamps"), ("plain-beam", "plain")]:
        if all(written[rule, i] == written[base, i] for i in range(count)):
            raise SystemExit(f"{name}: '{rule}' never makes a difference: {[written[base, i] for i in range(count)]}")
    lengths = {case: [len(written[case, i]) for i in range(count)] for case in cases(multilingual)}

    for seed in range(100):
        pcm = sound(4.2, seed)
        try:
            tokens, times, windows = long_form(model, settings, extractor, pcm)
        except Narrow:
            continue
        if len(times) > windows:
            # Some window has several segments.
            break
    out["sound"] = torch.from_numpy(pcm)
    out["long.tokens"] = torch.tensor([t for segment in tokens for t in [*segment, -1]], dtype=torch.int32)
    out["long.times"] = torch.tensor(times, dtype=torch.float64).float()

    tensors = {key: value.contiguous() for key, value in model.state_dict().items() if key != "proj_out.weight"}
    if not multilingual:
        tensors = {key.removeprefix("model."): value for key, value in tensors.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = model.config.to_dict() | {"architectures": ["WhisperForConditionalGeneration"]}
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    (folder / "generation_config.json").write_text(json.dumps(settings, indent=1) + "\n")
    extractor.save_pretrained(folder)
    write_tokenizer(folder, multilingual)
    save_file({k: v.contiguous() for k, v in out.items()}, folder / "expected.safetensors")
    print(f"{name}: {sum(f.stat().st_size for f in folder.iterdir()) / 1e3:.0f} kB, {windows} windows, "
          f"{len(times)} segments, tokens {lengths}")


ADAPTERS: dict[str, tuple[str, dict[str, Any]]] = {
    # Both stacks, linears and convolutions.
    "whisper-all": ("whisper", dict(target_modules=["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2", "conv1", "conv2"])),
    "whisper-zero": ("whisper", dict(target_modules=["q_proj", "v_proj"])),
    # A pattern, as it is often trained; the encoder alone.
    "whisper-en-encoder": ("whisper-en", dict(target_modules=r".*\.encoder\..*(q_proj|fc1|conv2)")),
    "whisper-tables": ("whisper", dict(target_modules=["embed_tokens", "proj_out"])),
}


def write_adapter(name: str) -> None:
    base, arguments = ADAPTERS[name]
    folder = fresh(paths.PEFT / name)
    expected = load_file(paths.MODELS / base / "expected.safetensors")
    features, fed = expected["features"][:2].float(), expected["fed"].long()
    settings = generation(base == "whisper")
    model = get_peft_model(model_of(base), LoraConfig(r=3, lora_alpha=6, **arguments)).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "lora_" in key:
                parameter.copy_(0.2 * torch.randn(parameter.shape, generator=tiny.seeded(f"{name}/{key}")))
                if name == "whisper-zero" and "lora_B" in key:
                    parameter.zero_()
        inner = model.base_model.model
        for conv in (inner.model.encoder.conv1, inner.model.encoder.conv2):
            # The network asks its convolutions for the stride, which peft's wrapper does not pass on.
            conv.stride = getattr(conv, "base_layer", conv).stride
        out = {
            "states": inner.model.encoder(features).last_hidden_state,
            "logits": inner(input_features=features, decoder_input_ids=fed).logits,
        }
    case: dict[str, Any] = dict(return_timestamps=True)
    if base == "whisper":
        case |= dict(language="de", task="transcribe")
    for i, window in enumerate(features):
        try:
            out[f"tokens.{i}"] = torch.tensor(run(inner, settings, window, case), dtype=torch.int32)
        except Narrow:
            print(f"{name}: window {i} has no clear best tokens")
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink()
    config = json.loads((folder / "adapter_config.json").read_text())
    if isinstance(config["target_modules"], list):
        config["target_modules"] = sorted(config["target_modules"])
    config["base_model_name_or_path"] = base
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    (folder / "task.json").write_text(json.dumps({"path": "encoder", "component": "speech"}) + "\n")
    save_file({k: v.contiguous() for k, v in out.items()}, folder / "expected.safetensors")
    print(f"{name}: {sum(f.stat().st_size for f in folder.iterdir()) / 1e3:.0f} kB")


def main() -> None:
    for name in ("whisper", "whisper-en"):
        write(name)
    for name in ADAPTERS:
        write_adapter(name)


if __name__ == "__main__":
    main()
