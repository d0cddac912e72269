"""Writes the goldens of LIMU-BERT: `models/limu-tiny` with random weights, `limu/limu-r2`, a LoRA on every layer of it, and
`limu/expected.safetensors`: windows of WISDM-51 (CC BY 4.0, Weiss 2019) with the states of the pretrained networks.

The latter needs the shared assets and is left out without them. It also prints how much of the windows' variance the
pretraining heads miss where three steps of twenty are hidden, with one norm of the embedding and with two. Three of the four
networks do better with two; how well they do on this data says little, for they were trained on other phones.
"""

from __future__ import annotations

import json

import numpy as np
import torch
from safetensors.torch import save_file

import limu_bert
import paths
from limu_bert import State
from make_models import fresh
from tiny import seeded

CONFIG = dict(model_type="limu-bert", feature_num=6, hidden=12, hidden_ff=20, n_layers=3, n_heads=2, seq_len=10)
RANK, ALPHA = 2, 5
WEIGHTS = paths.SHARED / "weights" / "limu-bert"
DATA = paths.SHARED / "data" / "sensing" / "wisdm51_phone" / "data.npz"
NETWORKS = ("hhar", "motion", "shoaib", "uci")
WINDOWS = 3
#: Every n-th state is stored.
STRIDE = 6


def noise(name: str, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=seeded(f"limu/{name}"))


def random_state() -> State:
    state: State = {}
    channels, width, inner = CONFIG["feature_num"], CONFIG["hidden"], CONFIG["hidden_ff"]
    linears = {
        "transformer.embed.lin": (width, channels),
        **{f"transformer.attn.proj_{part}": (width, width) for part in "qkv"},
        "transformer.proj": (width, width),
        "transformer.pwff.fc1": (inner, width),
        "transformer.pwff.fc2": (width, inner),
        # Of pretraining; the engine leaves them in the file.
        "fc": (width, width),
        "linear": (width, width),
        "decoder": (channels, width),
    }
    for name, shape in linears.items():
        state[f"{name}.weight"] = 0.4 * noise(f"{name}.weight", *shape)
        state[f"{name}.bias"] = 0.2 * noise(f"{name}.bias", shape[0])
    for name in ("transformer.embed.norm", "transformer.norm1", "transformer.norm2", "norm"):
        state[f"{name}.gamma"] = 1 + 0.3 * noise(f"{name}.gamma", width)
        state[f"{name}.beta"] = 0.3 * noise(f"{name}.beta", width)
    state["transformer.embed.pos_embed.weight"] = noise("positions", CONFIG["seq_len"], width)
    return state


def adapter(state: State) -> tuple[State, State]:
    """A LoRA in PEFT's layout, and the state with its effect."""
    tensors, adapted = {}, dict(state)
    modules = [key.removesuffix(".weight") for key in state if key.startswith("transformer.") and key.endswith(".weight")]
    for module in modules:
        if "pos_embed" in module:
            continue
        weight = state[f"{module}.weight"]
        down, up = 0.2 * noise(f"{module}/down", RANK, weight.shape[1]), 0.2 * noise(f"{module}/up", weight.shape[0], RANK)
        tensors[f"base_model.model.{module}.lora_A.weight"] = down
        tensors[f"base_model.model.{module}.lora_B.weight"] = up
        adapted[f"{module}.weight"] = weight + ALPHA / RANK * up @ down
    return tensors, adapted


def write_random() -> None:
    state = random_state()
    folder = fresh(paths.MODELS / "limu-tiny")
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")
    save_file(state, folder / "model.safetensors")
    tensors, adapted = adapter(state)
    target = fresh(paths.FIXTURES / "limu" / "limu-r2")
    modules = sorted({key.removeprefix("base_model.model.").split(".lora_")[0] for key in tensors})
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "target_modules": modules, "bias": "none"}
    (target / "adapter_config.json").write_text(json.dumps(config, indent=1) + "\n")
    (target / "task.json").write_text(json.dumps({"path": "encoder", "component": "imu"}) + "\n")
    save_file(tensors, target / "adapter_model.safetensors")
    inputs = noise("inputs", 3, CONFIG["seq_len"], CONFIG["feature_num"])
    sizes = dict(layers=CONFIG["n_layers"], heads=CONFIG["n_heads"])
    expected = {
        "inputs": inputs,
        "states": limu_bert.states(state, inputs, **sizes),
        "adapted": limu_bert.states(adapted, inputs, **sizes),
        "single_norm": limu_bert.states(state, inputs, emb_norm=False, **sizes),
    }
    save_file({key: value.contiguous() for key, value in expected.items()}, folder / "expected.safetensors")


def write_pretrained() -> None:
    if not (WEIGHTS.exists() and DATA.exists()):
        print(f"{WEIGHTS} or {DATA} is missing: the pretrained networks are left out")
        return
    file = np.load(DATA)
    moving = np.flatnonzero(file["y_train"] < 5)[::20][:128]
    x = limu_bert.prepared(file["x_train"][moving])
    hidden = torch.zeros(120, dtype=torch.bool)
    for start in range(5, 115, 20):
        hidden[start : start + 3] = True
    masked = x.clone()
    masked[:, hidden] = 0
    # Of different activities.
    _, first = np.unique(file["y_train"], return_index=True)
    windows = file["x_train"][np.sort(first)[:WINDOWS]].astype(np.float32)
    expected = {"windows": torch.from_numpy(windows), "prepared": limu_bert.prepared(windows)}
    for name in NETWORKS:
        state = torch.load(WEIGHTS / f"{name}.pt", map_location="cpu", weights_only=True)
        for emb_norm in (True, False):
            found = limu_bert.reconstructed(state, limu_bert.states(state, masked, emb_norm=emb_norm))
            spread = (x - x.mean((0, 1))).pow(2).mean()
            missed = [(found - x)[:, part].pow(2).mean() / spread for part in (hidden, ~hidden)]
            print(f"{name:7} emb_norm {emb_norm!s:5} misses {missed[0]:.2f} of hidden steps, {missed[1]:.2f} of others")
        expected[f"{name}.states"] = limu_bert.states(state, expected["prepared"])[:, ::STRIDE].contiguous()
    save_file(expected, paths.FIXTURES / "limu" / "expected.safetensors")


if __name__ == "__main__":
    with torch.no_grad():
        write_random()
        write_pretrained()
