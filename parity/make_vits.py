"""Writes tiny random VITS models with the waveforms that transformers computes for them.

Each folder is a whole Hugging Face directory with expected.safetensors: `ids`,
`still` (both noise scales 0), and, with the noise that is stored beside it,
`noisy`. `vits` predicts durations by a flow and reads phonemes.
`vits-regression` predicts them by a regression, reads text, has two speakers,
and its weight norms have their old names.
"""

from __future__ import annotations

import json
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import VitsConfig, VitsModel, VitsTokenizer

import paths
import tiny
from make_models import fresh

TEXT = "Bok a'go, Kab!"
RATE = 1.3
SHAPE: dict[str, Any] = dict(
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    window_size=3,
    ffn_dim=24,
    flow_size=12,
    spectrogram_bins=5,
    upsample_initial_channel=16,
    upsample_rates=[4, 3],
    upsample_kernel_sizes=[8, 7],
    resblock_kernel_sizes=[3, 5],
    resblock_dilation_sizes=[[1, 3], [1, 2]],
    duration_predictor_filter_channels=20,
    prior_encoder_num_flows=2,
    prior_encoder_num_wavenet_layers=3,
    posterior_encoder_num_wavenet_layers=1,
    wavenet_dilation_rate=2,
    duration_predictor_flow_bins=6,
    duration_predictor_num_flows=3,
)
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "vits": ({}, {"phonemize": True, "pad_token": "<pad>"}),
    "vits-regression": (
        dict(use_stochastic_duration_prediction=False, num_speakers=2, speaker_embedding_size=6, window_size=2),
        {"phonemize": False, "pad_token": "k"},
    ),
}


@torch.no_grad()
def randomize(model: VitsModel, name: str) -> None:
    """Weights that keep the signal alive: a plain 0.3 would saturate tanh and stretch durations."""
    for key, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=tiny.seeded(f"{name}/{key}"))
        if "norm" in key and key.endswith("weight"):
            parameter.copy_(1.0 + 0.2 * noise)
        elif parameter.dim() <= 1:
            parameter.copy_(0.2 * noise)
        elif key.endswith("original0"):
            parameter.copy_(0.6 + 0.2 * noise.abs())
        else:
            fan = parameter[0].numel()
            parameter.copy_(noise / fan**0.5)
    # Speech of some frames per token.
    if model.config.use_stochastic_duration_prediction:
        model.duration_predictor.flows[0].translate.copy_(torch.tensor([[-1.2], [0.3]]))
        model.duration_predictor.flows[0].log_scale.copy_(torch.tensor([[0.4], [-0.2]]))
    else:
        model.duration_predictor.proj.bias.fill_(1.1)


class Injected:
    """Hands out given noise where the model asks torch for random numbers."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.given: dict[str, torch.Tensor] = {}

    def __enter__(self) -> "Injected":
        self.real = torch.randn, torch.randn_like
        torch.randn = lambda *shape, **_: self.make(self.real[0], "durations", shape)
        torch.randn_like = lambda like, **_: self.make(self.real[0], "latents", tuple(like.shape))
        return self

    def make(self, randn: Any, kind: str, shape: tuple[int, ...]) -> torch.Tensor:
        self.given[kind] = randn(shape, generator=tiny.seeded(f"{self.name}/{kind}"))
        return self.given[kind]

    def __exit__(self, *_: Any) -> None:
        torch.randn, torch.randn_like = self.real


def run(
    model: VitsModel, ids: torch.Tensor, name: str, scales: tuple[float, float], **options: Any
) -> tuple[torch.Tensor, Injected]:
    model.noise_scale, model.noise_scale_duration = scales
    with torch.no_grad(), Injected(name) as noise:
        waveform = model(input_ids=ids[None], **options).waveform[0]
    return waveform.contiguous(), noise


def write(name: str) -> None:
    folder = fresh(paths.MODELS / name)
    changes, options = VARIANTS[name]
    alphabet = ["k", "a", "b", "o", "g", " ", "'", "ɡ", "ˈ"]
    vocabulary = {character: i for i, character in enumerate(alphabet)} | {"<unk>": len(alphabet)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False) + "\n")
    # The reference never phonemizes here: the text stands for phonemes.
    plain = {**options, "phonemize": False, "normalize": not options["phonemize"]}
    words = VitsTokenizer(folder / "vocab.json", **plain)
    settings = {"add_blank": True, "normalize": True, "unk_token": "<unk>", **options}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    text = "ɡobˈa kaˈok" if options["phonemize"] else TEXT
    ids = words(text, return_tensors="pt")["input_ids"][0]

    config = VitsConfig(**{**SHAPE, **changes, "vocab_size": len(vocabulary) + 2})
    model = VitsModel(config).eval()
    randomize(model, name)
    speaker = {"speaker_id": 1} if config.num_speakers > 1 else {}
    still, _ = run(model, ids, name, (0.0, 0.0), **speaker)
    scales = (config.noise_scale, config.noise_scale_duration)
    noisy, noise = run(model, ids, name, scales, speaking_rate=RATE, **speaker)
    out = {"ids": ids, "still": still, "noisy": noisy}
    # Ours are rows of tokens and of frames.
    for key, value in noise.given.items():
        out[f"noise.{key}"] = value[0].T.contiguous()
    if name == "vits-regression":
        out["bare"], _ = run(model, ids, name, (0.0, 0.0))

    tensors = {key: value.contiguous() for key, value in model.state_dict().items()}
    if name == "vits-regression":
        renamed = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
        for new, old in renamed.items():
            tensors = {key.replace(new, old): value for key, value in tensors.items()}
        # Conversions may leave the decoder's weight norms in place; it must make no difference.
        for stage in range(2):
            key = f"decoder.upsampler.{stage}.weight"
            weight = tensors.pop(key)
            tensors[key + "_g"] = weight.norm(dim=(1, 2), keepdim=True)
            tensors[key + "_v"] = 2.0 * weight
    save_file(tensors, folder / "model.safetensors")
    config.architectures = ["VitsModel"]
    config.save_pretrained(folder)
    save_file(out, folder / "expected.safetensors")
    size = sum(f.stat().st_size for f in folder.iterdir())
    shown = ", ".join(f"{key} {len(out[key])} samples, std {out[key].std().item():.2f}" for key in ("still", "noisy"))
    print(f"{name:16} {size / 1e3:5.0f} kB   {len(ids)} tokens; {shown}")


def main() -> None:
    for name in VARIANTS:
        write(name)


if __name__ == "__main__":
    main()
