"""Tiny random decoder models, one for each backbone variant that Loam reads.

A variant is a table row: the transformers class, its configuration and what it
is meant to catch. The weights are random but not gentle: norm weights differ
from one, biases from zero, and logits spread over several units, so that a
dropped bias, a skipped norm or a wrong rotary base moves the result by far more
than the tolerance. Everything is seeded by name, so a rebuild gives the same
files.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers
from transformers import PreTrainedConfig, PreTrainedModel

VOCAB = 96
POSITIONS = 24
BASE: dict[str, Any] = dict(
    vocab_size=VOCAB,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=256,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
    tie_word_embeddings=False,
)
# Gemma keeps its two rotary tables apart: global layers are stretched, local ones are not.
GEMMA: dict[str, Any] = dict(
    head_dim=16,
    sliding_window=8,
    tie_word_embeddings=True,
    rope_parameters={
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 50000.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 1000.0},
    },
)


def default_rope(theta: float) -> dict[str, Any]:
    """Unscaled rotary parameters with base `theta`."""
    return {"rope_type": "default", "rope_theta": theta}


@dataclass(frozen=True)
class Variant:
    """One tiny model: `family` names the transformers classes, `changes` the configuration."""

    name: str
    family: str
    catches: str
    changes: dict[str, Any] = field(default_factory=dict)

    def config(self) -> PreTrainedConfig:
        config_class = getattr(transformers, self.family + config_suffix(self.family))
        return config_class(**{**BASE, **self.changes})

    def model(self) -> PreTrainedModel:
        """The model with seeded weights, fp32, eager attention, ready to run."""
        model_class = getattr(transformers, self.family + "ForCausalLM")
        config = self.config()
        config._attn_implementation = "eager"
        model = model_class(config).eval()
        randomize(model, self.name)
        return model

    def tokens(self) -> torch.Tensor:
        """`[POSITIONS]` random ids, the first one BOS."""
        ids = torch.randint(3, VOCAB, (POSITIONS,), generator=seeded(self.name + "/tokens"))
        ids[0] = 1
        return ids


def config_suffix(family: str) -> str:
    return "TextConfig" if family == "Gemma3" else "Config"


VARIANTS: tuple[Variant, ...] = (
    Variant("llama2", "Llama", "untied head, grouped queries", {"rope_parameters": default_rope(10000.0)}),
    Variant(
        "llama3",
        "Llama",
        "all three bands of the llama3 rotary scaling",
        {
            # Head dim 8 gives wavelengths 6, 53, 444 and 3737: below 128/4, between, and above 128.
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 5000.0,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 128,
            },
            "max_position_embeddings": 1024,
        },
    ),
    Variant(
        "llama-linear",
        "Llama",
        "linear rotary scaling",
        {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}},
    ),
    Variant(
        "smollm2",
        "Llama",
        "tied head, three heads on one key head, large rotary base",
        {
            "hidden_size": 48,
            "num_attention_heads": 3,
            "num_key_value_heads": 1,
            "tie_word_embeddings": True,
            "rms_norm_eps": 1e-5,
            "rope_parameters": default_rope(100000.0),
        },
    ),
    Variant("llama-bias", "Llama", "biases on every linear", {"attention_bias": True, "mlp_bias": True}),
    Variant(
        "mistral",
        "Mistral",
        "sliding window on every layer, head dim apart from hidden size",
        {"head_dim": 16, "sliding_window": 8, "rms_norm_eps": 1e-5, "rope_parameters": default_rope(20000.0)},
    ),
    Variant(
        "qwen2",
        "Qwen2",
        "biases on q, k, v only, tied head",
        {"tie_word_embeddings": True, "rope_parameters": default_rope(1000000.0)},
    ),
    Variant(
        "qwen2-sliding",
        "Qwen2",
        "full attention below max_window_layers, sliding above",
        {
            "num_hidden_layers": 3,
            "use_sliding_window": True,
            "sliding_window": 8,
            "max_window_layers": 1,
            "rope_parameters": default_rope(10000.0),
        },
    ),
    Variant(
        "qwen3",
        "Qwen3",
        "norms on q and k, head dim apart from hidden size",
        {"head_dim": 16, "rope_parameters": default_rope(1000000.0)},
    ),
    Variant(
        "gemma3",
        "Gemma3",
        "query scale apart from head dim, local and global rotary tables, every third layer full",
        {**GEMMA, "num_hidden_layers": 4, "sliding_window_pattern": 3, "query_pre_attn_scalar": 24},
    ),
    Variant(
        "gemma3-pattern",
        "Gemma3",
        "layer types that follow no period",
        {
            **GEMMA,
            "num_hidden_layers": 3,
            "layer_types": ["full_attention", "sliding_attention", "sliding_attention"],
            "query_pre_attn_scalar": 16,
        },
    ),
    Variant(
        "gemma3-softcap",
        "Gemma3",
        "capped logits, the standard period of six layers",
        {**GEMMA, "num_hidden_layers": 7, "query_pre_attn_scalar": 16, "final_logit_softcapping": 5.0},
    ),
)


def variant(name: str) -> Variant:
    return next(v for v in VARIANTS if v.name == name)


def seeded(name: str) -> torch.Generator:
    """A generator that depends on nothing but `name`."""
    return torch.Generator().manual_seed(zlib.crc32(name.encode()))


@torch.no_grad()
def randomize(model: torch.nn.Module, name: str) -> None:
    """Fills every parameter by its role: norms near their identity, biases off zero."""
    # Gemma stores the distance of its norm weights from one.
    identity = 0.0 if "Gemma" in type(model).__name__ else 1.0
    for key, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=seeded(f"{name}/{key}"))
        if parameter.dim() == 1 and key.endswith("weight"):
            parameter.copy_(identity + 0.2 * noise)
        elif parameter.dim() == 1:
            parameter.copy_(0.4 * noise)
        elif "embed" in key:
            parameter.copy_(0.5 * noise)
        else:
            parameter.copy_(0.3 * noise)


@torch.no_grad()
def logits(model: PreTrainedModel, tokens: torch.Tensor) -> torch.Tensor:
    """`[tokens, vocab]` over the whole sequence at once, without a cache."""
    return model(input_ids=tokens[None], use_cache=False).logits[0].float().contiguous()
