"""Writes `models/imagebind-tiny` and `peft/imagebind-*`: all six towers of ImageBind with random weights, and a LoRA on each.

`expected.safetensors` holds, per tower, its inputs, `<tower>.embedding`, `<tower>.states`, and `<tower>.adapted` under the
adapter. PEFT cannot name the queries of torch's fused attention, so the adapters are written here, in PEFT's layout, and
their effect is computed by adding `B A` to the slices of `in_proj_weight`.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from safetensors.torch import save_file

import imagebind
import paths
from imagebind import State, Tower
from make_models import fresh
from tiny import seeded

NAME = "imagebind-tiny"
DIM = 20
RANK, ALPHA = 3, 7
VISION = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, image_size=12, patch_size=4)
TEXT = dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=4, vocab_size=50, max_position_embeddings=12)
AUDIO = dict(
    hidden_size=36, num_hidden_layers=2, num_attention_heads=3, num_mel_bins=26, max_length=38, patch_size=8, stride=5
)
IMU = dict(hidden_size=32, num_hidden_layers=3, num_attention_heads=4, num_channels=6, max_length=40, patch_size=8)
DEPTH = dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=2, image_size=12, patch_size=4)
THERMAL = dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, image_size=12, patch_size=3)
CONFIG = {
    "model_type": "imagebind",
    "projection_dim": DIM,
    "vision": VISION,
    "text": TEXT,
    "audio": AUDIO,
    "imu": IMU,
    "depth": DEPTH,
    "thermal": THERMAL,
}
TOWERS = {
    "vision": Tower("vision", 4, "rgbt_stem.proj.1"),
    "text": Tower("text", 4, head="proj.1"),
    "audio": Tower("audio", 3, "rgbt_stem.proj", 5),
    "imu": Tower("imu", 4, "imu_stem.proj", 8, head="3"),
    "depth": Tower("depth", 2, "depth_stem.proj", 4),
    "thermal": Tower("thermal", 3, "rgbt_stem.proj", 3),
}
# exp(4.9) exceeds the bound of 100, so the clip is in the test.
SCALES = {"text": 4.9, "audio": math.log(20), "imu": math.log(5), "depth": math.log(5), "thermal": math.log(10)}
PATCHES = {"vision": 9, "audio": 4 * 7, "imu": 5, "depth": 9, "thermal": 16}


def noise(name: str, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=seeded(f"{NAME}/{name}"))


class Builder:
    """A state dict of random tensors that are not gentle: no bias is zero, no norm is one."""

    def __init__(self) -> None:
        self.state: State = {}

    def weight(self, name: str, *shape: int) -> None:
        spread = max(0.25, math.prod(shape[1:]) ** -0.5)
        self.state[name] = spread * noise(name, *shape)

    def vector(self, name: str, *shape: int) -> None:
        self.state[name] = 0.3 * noise(name, *shape)

    def norm(self, name: str, width: int) -> None:
        self.state[f"{name}.weight"] = 1 + 0.3 * noise(f"{name}.weight", width)
        self.vector(f"{name}.bias", width)

    def linear(self, name: str, outputs: int, inputs: int) -> None:
        self.weight(f"{name}.weight", outputs, inputs)
        self.vector(f"{name}.bias", outputs)

    def blocks(self, tower: str, width: int, count: int) -> None:
        for block in range(count):
            at = f"modality_trunks.{tower}.blocks.{block}"
            self.weight(f"{at}.attn.in_proj_weight", 3 * width, width)
            self.vector(f"{at}.attn.in_proj_bias", 3 * width)
            if tower not in ("vision", "text"):
                self.vector(f"{at}.attn.bias_k", 1, 1, width)
                self.vector(f"{at}.attn.bias_v", 1, 1, width)
            self.linear(f"{at}.attn.out_proj", width, width)
            self.norm(f"{at}.norm_1", width)
            self.norm(f"{at}.norm_2", width)
            self.linear(f"{at}.mlp.fc1", 4 * width, width)
            self.linear(f"{at}.mlp.fc2", width, 4 * width)


def random_state() -> State:
    build = Builder()
    kernels = {
        "vision": (3, 2, 4, 4),
        "audio": (1, 8, 8),
        "imu": (48,),
        "depth": (1, 4, 4),
        "thermal": (1, 3, 3),
    }
    for name, tower in TOWERS.items():
        sizes = CONFIG[name]
        width = sizes["hidden_size"]
        base = f"modality_preprocessors.{name}"
        build.blocks(name, width, sizes["num_hidden_layers"])
        if name in SCALES:
            build.state[f"modality_postprocessors.{name}.1.log_logit_scale"] = torch.tensor(SCALES[name])
        build.weight(f"modality_heads.{name}.{tower.head}.weight", DIM, width)
        build.norm(f"modality_heads.{name}.{'proj.0' if name == 'text' else '0'}", width)
        if name == "text":
            length = sizes["max_position_embeddings"]
            build.weight(f"{base}.token_embedding.weight", sizes["vocab_size"], width)
            build.vector(f"{base}.pos_embed", 1, length, width)
            build.state[f"{base}.mask"] = torch.full((length, length), -torch.inf).triu(1)
            continue
        build.weight(f"{base}.{tower.stem}.weight", width, *kernels[name])
        build.vector(f"{base}.cls_token", 1, 1, width)
        positions = "pos_embed" if name == "imu" else "pos_embedding_helper.pos_embed"
        build.vector(f"{base}.{positions}", 1, PATCHES[name] + 1, width)
        if name == "vision":
            build.norm("modality_trunks.vision.pre_transformer_layer.0", width)
        else:
            build.norm(f"{base}.{tower.stem.removesuffix('.proj')}.norm_layer", width)
    return build.state


def inputs() -> dict[str, list[torch.Tensor]]:
    """Per tower a list of inputs; the first axis of each is over its clips, but for a still picture."""
    return {
        "vision.still": [noise("still", 3, 12, 12)],
        "vision.video": [noise("video", 2, 3, 2, 12, 12)],
        "audio": [noise("sound", 3, 26, 38), noise("sound/short", 1, 26, 38)],
        "imu": [noise("imu", 1, 6, 40), noise("imu/clips", 2, 6, 40)],
        "depth": [noise("depth", 1, 1, 12, 12)],
        "thermal": [noise("thermal", 1, 1, 12, 12)],
    }


def texts() -> torch.Tensor:
    """Padded with zeros; 49 is the largest id and ends a text."""
    return torch.tensor([[1, 7, 9, 49, 0, 0, 0, 0, 0, 0, 0, 0], [1, 49, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [*range(1, 12), 49]])


def check_attention(state: State) -> None:
    """The block's attention against torch's own."""
    for name, causal in (("imu", False), ("vision", False), ("text", True)):
        at = f"modality_trunks.{name}.blocks.1.attn"
        width, heads = CONFIG[name]["hidden_size"], TOWERS[name].heads
        module = torch.nn.MultiheadAttention(width, heads, add_bias_kv=name == "imu")
        own = {key.removeprefix(f"{at}."): value for key, value in state.items() if key.startswith(f"{at}.")}
        module.load_state_dict(own)
        x = noise(f"attention/{name}", 7, width)
        mask = torch.full((7, 7), -torch.inf).triu(1) if causal else None
        theirs = module(x[:, None], x[:, None], x[:, None], need_weights=False, attn_mask=mask)[0][:, 0]
        ours = imagebind.attention(state, at, heads, x, causal)
        worst = (ours - theirs).abs().max().item()
        print(f"attention of {name:8} against nn.MultiheadAttention: {worst:.1e}")
        if worst > 1e-5:
            raise SystemExit(f"the attention of {name} is not torch's")


def adapter(state: State, name: str) -> tuple[State, State]:
    """A LoRA on every linear of a tower, in PEFT's layout, and the state with its effect."""
    width, tower = CONFIG[name]["hidden_size"], TOWERS[name]
    tensors: State = {}
    adapted = dict(state)

    def add(module: str, key: str, rows: slice = slice(None)) -> None:
        weight = state[key][rows]
        taps = weight.shape[2:]
        down = 0.3 * noise(f"{module}/down", RANK, *weight.shape[1:])
        up = 0.3 * noise(f"{module}/up", weight.shape[0], RANK, *[1 for _ in taps])
        if key.endswith("token_embedding.weight"):
            down = 0.3 * noise(f"{module}/down", RANK, weight.shape[0])
            up = 0.3 * noise(f"{module}/up", width, RANK)
            tensors[f"base_model.model.{module}.lora_embedding_A"] = down
            tensors[f"base_model.model.{module}.lora_embedding_B"] = up
            change = (up @ down).T
        else:
            tensors[f"base_model.model.{module}.lora_A.weight"] = down
            tensors[f"base_model.model.{module}.lora_B.weight"] = up
            change = (up.flatten(1) @ down.flatten(1)).reshape(weight.shape)
        changed = adapted[key].clone()
        changed[rows] += ALPHA / RANK * change
        adapted[key] = changed

    for block in range(CONFIG[name]["num_hidden_layers"]):
        at = f"modality_trunks.{name}.blocks.{block}"
        for part, letter in enumerate("qkv"):
            rows = slice(part * width, (part + 1) * width)
            add(f"{at}.attn.{letter}_proj", f"{at}.attn.in_proj_weight", rows)
        for module in ("attn.out_proj", "mlp.fc1", "mlp.fc2"):
            add(f"{at}.{module}", f"{at}.{module}.weight")
    head = f"modality_heads.{name}.{tower.head}"
    add(head, f"{head}.weight")
    stem = f"modality_preprocessors.{name}.{'token_embedding' if name == 'text' else tower.stem}"
    add(stem, f"{stem}.weight")
    return tensors, adapted


def write_adapter(name: str, tensors: State) -> None:
    folder = fresh(paths.FIXTURES / "imagebind" / f"{name}-r{RANK}")
    modules = sorted({key.removeprefix("base_model.model.").split(".lora_")[0] for key in tensors})
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "target_modules": modules, "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")
    save_file(tensors, folder / "adapter_model.safetensors")


def run(state: State, name: str, given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    tower = name.split(".")[0]
    clips = [given] if name == "vision.still" else list(given)
    return imagebind.embed(state, TOWERS[tower], clips)


def main() -> None:
    state = random_state()
    check_attention(state)
    folder: Path = fresh(paths.MODELS / NAME)
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    save_file(state, folder / "model.safetensors")
    expected: State = {"text.tokens": texts()}
    for name in TOWERS:
        tensors, adapted = adapter(state, name)
        write_adapter(name, tensors)
        if name == "text":
            expected["text.embedding"] = torch.stack([imagebind.embed_text(state, TOWERS[name], t) for t in texts()])
            expected["text.adapted"] = torch.stack([imagebind.embed_text(adapted, TOWERS[name], t) for t in texts()])
            continue
        for key, given in inputs().items():
            if key.split(".")[0] != name:
                continue
            for index, features in enumerate(given):
                at = f"{key}.{index}"
                expected[f"{at}.input"] = features
                expected[f"{at}.embedding"], expected[f"{at}.states"] = run(state, key, features)
                expected[f"{at}.adapted"], _ = run(adapted, key, features)
                moved = (expected[f"{at}.adapted"] - expected[f"{at}.embedding"]).abs().mean().item()
                print(f"{at:16} norm {expected[f'{at}.embedding'].norm().item():6.2f}, the adapter moves it by {moved:.2f}")
    save_file({k: v.contiguous() for k, v in expected.items()}, folder / "expected.safetensors")


if __name__ == "__main__":
    with torch.no_grad():
        main()
