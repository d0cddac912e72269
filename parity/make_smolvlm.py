"""Writes tiny random SmolVLM and Idefics3 models with what transformers computes for them.

Each folder is a whole Hugging Face directory: config.json, model.safetensors,
preprocessor_config.json, tokenizer files and chat template, plus the pictures
and expected.safetensors with, for each picture, the processor's pixels and ids,
the states of the vision tower and the connector's soft tokens of one picture,
and for a prompt of two pictures the logits of every STRIDE-th position and the
greedy continuation. `adapter` holds a PEFT LoRA over text model, connector and
vision tower.
"""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from PIL import Image
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3Processor,
    PreTrainedTokenizerFast,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.smolvlm import processing_smolvlm

import paths
import tiny
from make_models import fresh

TILE, PATCH, SCALE = 32, 4, 2
TOKENS = (TILE // PATCH // SCALE) ** 2
CORPUS = [
    "User: what is in the picture? Assistant: a grey cat.\n\nThe second line.\n",
    "User: where is the dog? Assistant: it is not in the picture.\n\n",
]
QUESTION = "what is in the picture?"
STRIDE = 5
# Width and height: split in both directions, tall, already of a tile's size.
PICTURES = {"wide": (40, 30), "tall": (20, 70), "square": (32, 32)}
TARGETS = [
    *["q_proj", "k_proj", "v_proj", "o_proj", "out_proj", "gate_proj", "up_proj", "down_proj"],
    *["fc1", "fc2", "modality_projection.proj", "patch_embedding"],
]


def picture(width: int, height: int) -> Image.Image:
    """A smooth pattern with a sharp corner, so that every filter and every cut shows."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 120 * np.sin(x / 5), 127 + 120 * np.cos(y / 7), (x * 7 + y * 3) % 256]
    pixels = np.stack(planes, axis=-1).astype(np.uint8)
    pixels[: height // 4, : width // 4] = (250, 10, 30)
    return Image.fromarray(pixels)


def tokenizer() -> PreTrainedTokenizerFast:
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<pad>", "<|im_start|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(CORPUS * 4, trainer)
    own = ["<end_of_utterance>", "<fake_token_around_image>", "<image>", "<global-img>"]
    own += [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    inner.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in own])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<|im_start|>", eos_token="<end_of_utterance>", pad_token="<pad>"
    )


def model_of(name: str, vocab: int, image_token: int) -> torch.nn.Module:
    text: dict[str, Any] = dict(model_type="llama", **{**tiny.BASE, "vocab_size": vocab, "num_attention_heads": 4})
    text.update(eos_token_id=None, rope_parameters=tiny.default_rope(100000.0), rms_norm_eps=1e-5)
    vision = dict(
        hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3, image_size=TILE, patch_size=PATCH
    )
    settings = dict(vision_config=vision, text_config=text, scale_factor=SCALE, image_token_id=image_token)
    if name == "smolvlm":
        model = SmolVLMForConditionalGeneration(SmolVLMConfig(**settings, tie_word_embeddings=True))
    else:
        model = Idefics3ForConditionalGeneration(Idefics3Config(**settings, tie_word_embeddings=False))
    model.set_attn_implementation("eager")
    model = model.eval()
    tiny.randomize(model, name)
    with torch.no_grad():
        # Patches and positions of equal weight, or the one would hide the other.
        positions = model.model.vision_model.embeddings.position_embedding.weight
        positions.copy_(torch.randn(positions.shape, generator=tiny.seeded(name + "/positions")))
    model.generation_config.eos_token_id = None
    return model


@torch.no_grad()
def logits(model: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    return model(**inputs, use_cache=False).logits[0, ::STRIDE].float().contiguous()


@torch.no_grad()
def adapter(model: torch.nn.Module, folder: Path, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Saves a random LoRA over all three parts; its logits."""
    bare = logits(model, inputs)
    config = LoraConfig(r=3, lora_alpha=5, target_modules=TARGETS)
    tuned = get_peft_model(model, config).eval()
    for key, parameter in tuned.named_parameters():
        if parameter.requires_grad:
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=tiny.seeded("lora/" + key)))
    tuned.save_pretrained(folder)
    (folder / "README.md").unlink()
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "smolvlm"
    config["target_modules"].sort()
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    out = logits(tuned, inputs)
    print(f"  adapter: mean change of a logit {(out - bare).abs().mean():.2f}")
    return out


def write(name: str) -> None:
    folder = fresh(paths.MODELS / name)
    words = tokenizer()
    image_token = words.convert_tokens_to_ids("<image>")
    vocab = math.ceil(len(words) / 8) * 8
    model = model_of(name, vocab, image_token)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    images = Idefics3ImageProcessorPil(size={"longest_edge": 2 * TILE}, max_image_size={"longest_edge": TILE})
    template = processing_smolvlm.DEFAULT_CHAT_TEMPLATE
    processor = Idefics3Processor(images, words, image_seq_len=TOKENS, chat_template=template)
    words.chat_template = None
    words.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(template)
    kind = "SmolVLMImageProcessor" if name == "smolvlm" else "Idefics3ImageProcessor"
    settings = {**images.to_dict(), "image_processor_type": kind}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")

    out: dict[str, torch.Tensor] = {}
    conversation = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTION}]}]
    text = processor.apply_chat_template(conversation, add_generation_prompt=True)
    for key, (width, height) in PICTURES.items():
        image = picture(width, height)
        image.save(folder / f"{key}.png")
        both = {"": {}, ".whole": {"do_image_splitting": False}}
        for ending, options in both.items():
            if ending and key != "wide":
                continue
            made = processor(text=text, images=[image], return_tensors="pt", images_kwargs=options)
            out[f"{key}{ending}.pixels"] = made["pixel_values"][0].float().contiguous()
            out[f"{key}{ending}.ids"] = made["input_ids"][0]
            if not made["pixel_attention_mask"].bool().all():
                raise SystemExit(f"{name}: {key} is padded")
            expansion = processing_smolvlm.get_image_prompt_string(
                *grid(width, height, bool(ending)), TOKENS, "<fake_token_around_image>", "<image>", "<global-img>"
            )
            again = words(text.replace("<image>", expansion))["input_ids"]
            if again != made["input_ids"][0].tolist():
                raise SystemExit(f"{name}: the two processors differ for {key}{ending}")

    content = [{"type": "image"}, {"type": "text", "text": "a cat. "}, {"type": "image"}, {"type": "text", "text": QUESTION}]
    text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    pair = [picture(*PICTURES["tall"]), picture(*PICTURES["wide"])]
    inputs = processor(text=text, images=pair, return_tensors="pt")
    inputs = {key: inputs[key] for key in ("input_ids", "attention_mask", "pixel_values", "pixel_attention_mask")}
    with torch.no_grad():
        states = model.model.vision_model(out["tall.pixels"]).last_hidden_state
        out["tall.states"] = states.contiguous()
        out["tall.soft"] = model.model.connector(states).contiguous()
        # A picture of another shape than the tower was trained on: positions are fractions.
        part = torch.randn(1, 3, 6 * PATCH, 4 * PATCH, generator=tiny.seeded("part"))
        out["part.pixels"] = part
        out["part.states"] = model.model.vision_model(part).last_hidden_state.contiguous()
        out["pair.ids"] = inputs["input_ids"][0]
        out["pair.logits"] = logits(model, inputs)
        generated = model.generate(**inputs, max_new_tokens=16, do_sample=False)
        out["pair.generated"] = generated[0, inputs["input_ids"].shape[1] :]
    end = words.convert_tokens_to_ids("<end_of_utterance>")
    if len(out["pair.generated"]) != 16 or (out["pair.generated"] == end).any():
        raise SystemExit(f"{name}: the continuation ends early")
    if name == "smolvlm":
        out["pair.adapted"] = adapter(model, folder / "adapter", inputs)
    if name != "smolvlm":
        # The same pixels and ids: once is enough.
        out = {key: value for key, value in out.items() if not key.startswith("square") and ".whole" not in key}
    save_file(out, folder / "expected.safetensors")
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    spread, peak = out["pair.logits"].std().item(), out["pair.logits"].abs().max().item()
    print(f"{name:10} {size / 1e3:6.0f} kB   logits: std {spread:5.2f}, max {peak:6.2f}; {out['pair.generated'].tolist()}")


def grid(width: int, height: int, whole: bool) -> tuple[int, int]:
    """Rows and columns of tiles, from the processor's own count."""
    images = Idefics3ImageProcessorPil(size={"longest_edge": 2 * TILE}, max_image_size={"longest_edge": TILE})
    _, rows, columns = images.get_number_of_image_patches(height, width, {"do_image_splitting": not whole})
    return rows, columns


def main() -> None:
    warnings.filterwarnings("ignore")
    for name in ("smolvlm", "idefics3"):
        write(name)


if __name__ == "__main__":
    main()
