"""Writes the image-encoder goldens: tiny random CLIP, ViT and DeiT towers, a LoRA adapter on one, and preprocessed pictures.

Each `models/<name>` holds the checkpoint and `expected.safetensors` with `pixels` [B, 3, H, W], `embedding` [B, dim] and
`states` [B, tokens, width]; CLIP's also has `tokens` [B, T], `text` [B, dim] and `logits` [B, B]. `images/` holds picture
files and, per processor, the pixels that transformers makes of them with Pillow.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
import transformers
from peft import LoraConfig, get_peft_model
from PIL import Image, ImageOps
from safetensors.torch import save_file

import paths
from make_models import fresh
from randomise import randomise

VISION = dict(
    hidden_size=24,
    intermediate_size=40,
    num_hidden_layers=2,
    num_attention_heads=4,
    image_size=18,
    patch_size=6,
)
TEXT = dict(
    vocab_size=64,
    hidden_size=24,
    intermediate_size=40,
    num_hidden_layers=2,
    num_attention_heads=4,
    max_position_embeddings=16,
    bos_token_id=1,
    eos_token_id=63,
    pad_token_id=0,
)
PROCESSORS: dict[str, tuple[str, dict]] = {
    "clip": ("CLIP", dict(size={"shortest_edge": 20}, crop_size={"height": 18, "width": 18})),
    "clip-crop-larger": ("CLIP", dict(size={"shortest_edge": 15}, crop_size={"height": 18, "width": 18}, resample=1)),
    "siglip": ("Siglip", dict(size={"height": 18, "width": 18})),
    "vit": ("ViT", dict(size={"height": 18, "width": 18})),
    "deit": ("DeiT", dict(size={"height": 22, "width": 22}, crop_size={"height": 18, "width": 18})),
    "nearest": ("ViT", dict(size={"height": 18, "width": 18}, resample=0)),
}


def pixels(seed: int, side: int = 18) -> torch.Tensor:
    return torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(seed))


def save(folder: Path, model: transformers.PreTrainedModel, tensors: dict[str, torch.Tensor]) -> None:
    model.save_pretrained(fresh(folder))
    save_file({k: v.detach().contiguous() for k, v in tensors.items()}, folder / "expected.safetensors")


def write_clip() -> None:
    config = transformers.CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=16)
    model = transformers.CLIPModel(config).eval()
    randomise(model, "clip")
    with torch.no_grad():
        model.logit_scale.fill_(2.3)
        tokens = torch.tensor([[1, 5, 9, 63, 0, 0], [1, 7, 63, 63, 63, 63], [1, 2, 3, 4, 8, 63]])
        lengths = [4, 3, 6]
        inputs = pixels(1)
        mask = torch.tensor([[int(t < n) for t in range(6)] for n in lengths])
        out = model(input_ids=tokens, pixel_values=inputs, attention_mask=mask)
        vision = model.vision_model(inputs)
        embedding = model.visual_projection(vision.pooler_output)
    save(
        paths.MODELS / "clip-tiny",
        model,
        {
            "pixels": inputs,
            "embedding": embedding,
            "states": vision.last_hidden_state,
            "tokens": tokens,
            "lengths": torch.tensor(lengths),
            "text": out.text_embeds,
            "logits": out.logits_per_image,
        },
    )


def write_clip_vision() -> None:
    config = transformers.CLIPVisionConfig(**VISION, projection_dim=16)
    model = transformers.CLIPVisionModelWithProjection(config).eval()
    randomise(model, "clip-vision")
    inputs = pixels(2)
    with torch.no_grad():
        out = model(inputs)
    folder = paths.MODELS / "clip-vision-tiny"
    save(folder, model, {"pixels": inputs, "embedding": out.image_embeds, "states": out.last_hidden_state})
    lora = LoraConfig(
        r=3,
        lora_alpha=7,
        target_modules=["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2", "patch_embedding", "visual_projection"],
    )
    adapted = get_peft_model(model, lora)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for key, tensor in adapted.named_parameters():
            if "lora_" in key:
                tensor.copy_(0.3 * torch.randn(tensor.shape, generator=generator))
        out = adapted.base_model.model(inputs)
    target = fresh(paths.PEFT / "clip-vision-r3")
    adapted.save_pretrained(target)
    (target / "README.md").unlink(missing_ok=True)
    json_path = target / "task.json"
    json_path.write_text(json.dumps({"path": "encoder", "component": "image"}) + "\n")
    save_file({"embedding": out.image_embeds.contiguous()}, target / "expected.safetensors")


def write_vit(name: str, kind: str) -> None:
    config = getattr(transformers, f"{kind}Config")(**VISION)
    model = getattr(transformers, f"{kind}Model")(config).eval()
    randomise(model, name)
    inputs = pixels(3)
    with torch.no_grad():
        out = model(inputs)
    save(
        paths.MODELS / name,
        model,
        {"pixels": inputs, "embedding": out.pooler_output, "states": out.last_hidden_state},
    )


def pictures(folder: Path) -> list[Path]:
    rng = np.random.default_rng(3)

    def smooth(width: int, height: int, channels: int) -> np.ndarray:
        small = rng.integers(0, 256, (max(2, height // 6), max(2, width // 6), channels), dtype=np.uint8)
        planes = [Image.fromarray(small[..., c]).resize((width, height), Image.Resampling.BICUBIC) for c in range(channels)]
        noise = rng.integers(-20, 20, (height, width, channels))
        return np.clip(np.stack([np.asarray(p) for p in planes], -1).astype(int) + noise, 0, 255).astype(np.uint8)

    def rgb(width: int, height: int) -> Image.Image:
        return Image.fromarray(smooth(width, height, 3))

    rgb(61, 40).save(folder / "landscape.png")
    rgb(23, 71).save(folder / "portrait.png")
    rgb(5, 3).save(folder / "tiny.png")
    rgb(18, 18).save(folder / "exact.png")
    Image.fromarray(smooth(40, 30, 1)[..., 0]).save(folder / "grey.png")
    Image.fromarray(smooth(33, 44, 4), "RGBA").save(folder / "alpha.png")
    rgb(40, 30).quantize(32).save(folder / "palette.png")
    rgb(37, 29).save(folder / "lossless.webp", lossless=True)
    for orientation in range(1, 9):
        picture = rgb(26, 17)
        exif = picture.getexif()
        exif[0x0112] = orientation
        picture.save(folder / f"orientation-{orientation}.jpg", quality=95, exif=exif, subsampling=0)
    return sorted(folder.iterdir())


def write_pictures() -> None:
    folder = fresh(paths.FIXTURES / "images")
    files = pictures(folder)
    for name, (kind, options) in PROCESSORS.items():
        names = [f"{kind}ImageProcessorPil", f"{kind}ImageProcessor"]
        cls = next(getattr(transformers, n) for n in names if hasattr(transformers, n))
        processor = cls(**options)
        tensors = {}
        for file in files:
            # Processors read pixels as they are given: turning upright is the caller's part, ours does it on decoding.
            picture = ImageOps.exif_transpose(Image.open(file)).convert("RGB")
            values = processor(images=picture, return_tensors="np")["pixel_values"][0]
            tensors[file.name] = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
        target = fresh(folder / name)
        config = processor.to_dict() | {"image_processor_type": f"{kind}ImageProcessor"}
        (target / "preprocessor_config.json").write_text(json.dumps(config, indent=1, default=str) + "\n")
        save_file(tensors, target / "expected.safetensors")


if __name__ == "__main__":
    write_clip()
    write_clip_vision()
    write_vit("vit-tiny", "ViT")
    write_vit("deit-tiny", "DeiT")
    write_pictures()
