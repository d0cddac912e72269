"""Writes the goldens of towers that pair pictures with texts, and of classifiers: tiny random SigLIP, CLIP text, ViT and DeiT.

As in make_vision.py each `models/<name>` holds a checkpoint as transformers writes it and `expected.safetensors`:
`pixels`, `embedding`, `states`, `classes` (logits of the checkpoint's own classifier), `tokens` and `text` (unit length),
`logits` (logits_per_image). siglip-tiny also has a tokenizer and a preprocessor configuration, and `file.<picture>` and
`said` are what transformers' whole pipeline makes of picture files and sentences. `peft/<name>` are LoRA adapters with
the same keys.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import Unigram
from transformers import PreTrainedModel

import paths
import tiny
from make_models import fresh
from randomise import randomise

# 20 pixels in patches of 6: two rows and columns fill no patch and must be left out.
SIDE = 20
VISION: dict[str, Any] = dict(
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=2,
    image_size=SIDE,
    patch_size=6,
)
TEXT: dict[str, Any] = dict(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=2,
    max_position_embeddings=12,
    bos_token_id=62,
    eos_token_id=63,
    pad_token_id=1,
)
LINEARS = ["q_proj", "k_proj", "v_proj", "fc1", "fc2"]
PICTURES = ("landscape.png", "portrait.png", "tiny.png", "exact.png")
SENTENCES = (
    "A photo of a cat.",
    "two DOGS,   on a red mat!",
    "Café — 日本",
    "",
    "the cat and the dog and the bird and the tree and the house and the red mat",
)
Tensors = dict[str, torch.Tensor]


def pixels(name: str, count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, SIDE, SIDE, generator=tiny.seeded(f"{name}/pixels"))


def save(folder: Path, model: PreTrainedModel, tensors: Tensors) -> None:
    model.save_pretrained(fresh(folder))
    (folder / "generation_config.json").unlink(missing_ok=True)
    expect(folder, tensors)


def expect(folder: Path, tensors: Tensors) -> None:
    save_file({key: value.detach().contiguous() for key, value in tensors.items()}, folder / "expected.safetensors")


def made(model: PreTrainedModel, name: str) -> PreTrainedModel:
    randomise(model, name)
    return model.eval()


def adapted(name: str, model: PreTrainedModel, component: str, **lora: Any) -> PeftModel:
    """`model` under a random adapter, which is saved; the folder waits for its expectation."""
    peft = get_peft_model(model, LoraConfig(**{**dict(r=2, lora_alpha=5, target_modules=LINEARS), **lora})).eval()
    with torch.no_grad():
        for key, tensor in peft.named_parameters():
            if "lora_" in key:
                tensor.copy_(0.3 * torch.randn(tensor.shape, generator=tiny.seeded(f"{name}/{key}")))
    folder = fresh(paths.PEFT / name)
    peft.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / "adapter_config.json").read_text())
    # Where the base lay on the machine that made it.
    config["base_model_name_or_path"] = None
    if isinstance(config["target_modules"], list):
        # PEFT keeps a set, whose order changes from run to run.
        config["target_modules"].sort()
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True))
    (folder / "task.json").write_text(json.dumps({"path": "encoder", "component": component}) + "\n")
    return peft


def rows_first(picture: Image.Image) -> Image.Image:
    """Resized by Pillow, rows before columns: its order up to version 12, and ours. Pillow 13 begins with the columns where
    that is cheaper, which moves single pixels of tall pictures by up to two of 255 levels."""
    cubic = Image.Resampling.BICUBIC
    return picture.resize((SIDE, picture.height), cubic).resize((SIDE, SIDE), cubic)


def tokenizer() -> transformers.PreTrainedTokenizerFast:
    """A SentencePiece-like vocabulary with SigLIP's canonical text: lower case, no punctuation, single spaces."""
    pieces = [("<unk>", 0.0), ("</s>", 0.0), ("▁", -2.0)]
    words = ["a", "photo", "of", "cat", "dog", "s", "two", "the", "red", "mat", "on", "and", "bird", "tree", "house"]
    pieces += [(f"▁{word}", -3.0 - 0.1 * i) for i, word in enumerate(words)]
    pieces += [(chr(c), -9.0 - 0.01 * i) for i, c in enumerate(range(ord("a"), ord("z") + 1))]
    pieces += [("é", -11.0), ("og", -6.0), ("at", -6.5), ("日", -12.0)]
    whole = Tokenizer(Unigram(pieces, unk_id=0, byte_fallback=False))
    whole.normalizer = normalizers.Sequence(
        [
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]"""), ""),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )
    whole.pre_tokenizer = pre_tokenizers.Metaspace()
    whole.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=whole, unk_token="<unk>", eos_token="</s>", pad_token="</s>", model_max_length=12
    )


@torch.no_grad()
def write_siglip() -> None:
    config = transformers.SiglipConfig(text_config=TEXT | {"projection_size": 16}, vision_config=VISION)
    model = made(transformers.SiglipModel(config), "siglip")
    model.logit_scale.fill_(1.7)
    model.logit_bias.fill_(-3.1)
    inputs = pixels("siglip")
    ids = torch.randint(2, 60, (3, 12), generator=tiny.seeded("siglip/tokens"))
    ids[0, 4:], ids[1, 7:] = 1, 1
    out = model(input_ids=ids, pixel_values=inputs)
    vision = model.vision_model(inputs)
    tensors = {
        "pixels": inputs,
        "embedding": vision.pooler_output,
        "states": vision.last_hidden_state,
        "tokens": ids,
        "text": out.text_embeds,
        "logits": out.logits_per_image,
    }
    processor = transformers.SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    for name in PICTURES:
        picture = rows_first(Image.open(paths.FIXTURES / "images" / name).convert("RGB"))
        tensors[f"file.{name}"] = model.vision_model(**processor(images=picture, return_tensors="pt")).pooler_output
    words = tokenizer()
    said = words(list(SENTENCES), padding="max_length", truncation=True, return_tensors="pt")["input_ids"]
    features = model.text_model(input_ids=said).pooler_output
    tensors |= {"said": features / features.norm(dim=-1, keepdim=True), "said_tokens": said}
    folder = paths.MODELS / "siglip-tiny"
    save(folder, model, tensors)
    words.save_pretrained(folder)
    # Configurations without a type are not SigLIP's alone.
    settings = processor.to_dict() | {"image_processor_type": "SiglipImageProcessor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings, indent=1, default=str) + "\n")

    # Trained on the pair, whose modules the pattern picks; the second is trained on the text tower alone.
    peft = adapted(
        "siglip-image-r2",
        made_again(model, "siglip-tiny"),
        "image",
        target_modules=r"vision_model\..*(q_proj|k_proj|v_proj|self_attn\.out_proj|fc1|fc2|patch_embedding)",
    )
    expect(paths.PEFT / "siglip-image-r2", {"embedding": peft.base_model.model.vision_model(inputs).pooler_output})
    text = made_again(model, "siglip-tiny").text_model
    peft = adapted(
        "siglip-text-r2", text, "text", target_modules=[*LINEARS, "out_proj", "head", "token_embedding"]
    )
    features = peft.base_model.model(input_ids=ids).pooler_output
    expect(paths.PEFT / "siglip-text-r2", {"text": features / features.norm(dim=-1, keepdim=True)})


def made_again(model: PreTrainedModel, name: str) -> PreTrainedModel:
    """A copy, for PEFT changes the model that it is put around."""
    return type(model).from_pretrained(paths.MODELS / name, attn_implementation="eager").eval()


@torch.no_grad()
def write_bare_towers() -> None:
    """Towers alone, whose files name their tensors without the tower."""
    inputs = pixels("bare")
    config = transformers.SiglipVisionConfig(**VISION, vision_use_head=False)
    model = made(transformers.SiglipVisionModel(config), "siglip-vision")
    states = model(inputs).last_hidden_state
    # Without its head SigLIP has no pooled output; ours is the average.
    save(
        paths.MODELS / "siglip-vision-tiny",
        model,
        {"pixels": inputs, "states": states, "embedding": states.mean(dim=1)},
    )
    model = made(transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**VISION)), "clip-vision-bare")
    out = model(inputs)
    save(
        paths.MODELS / "clip-vision-bare-tiny",
        model,
        {"pixels": inputs, "states": out.last_hidden_state, "embedding": out.pooler_output},
    )


@torch.no_grad()
def write_clip_texts() -> None:
    ids = torch.randint(2, 60, (3, 9), generator=tiny.seeded("clip-text/tokens"))
    ids[:, 0] = 62
    # The end comes where it comes, and may be repeated as padding. 62 begins and is not the largest id.
    ids[0, 8], ids[1, 5:], ids[2, 3] = 63, 63, 63
    # In old configurations eos_token_id is 2, and the largest id is meant.
    config = transformers.CLIPTextConfig(**TEXT | {"eos_token_id": 2})
    model = made(transformers.CLIPTextModel(config), "clip-text")
    features = model(input_ids=ids).pooler_output
    save(
        paths.MODELS / "clip-text-tiny",
        model,
        {"tokens": ids, "text": features / features.norm(dim=-1, keepdim=True)},
    )
    # The end is not the largest id here.
    config = transformers.CLIPTextConfig(**TEXT | {"eos_token_id": 9}, projection_dim=20)
    model = made(transformers.CLIPTextModelWithProjection(config), "clip-text-projected")
    ids[ids == 9] = 10
    ids[ids == 63] = 9
    ids[2, 6] = 63
    features = model(input_ids=ids).text_embeds
    name = "clip-text-projected-tiny"
    save(
        paths.MODELS / name,
        model,
        {"tokens": ids, "text": features / features.norm(dim=-1, keepdim=True)},
    )
    peft = adapted(
        "clip-text-r2",
        made_again(model, name),
        "text",
        target_modules=[*LINEARS, "out_proj", "token_embedding", "text_projection"],
    )
    features = peft.base_model.model(input_ids=ids).text_embeds
    expect(paths.PEFT / "clip-text-r2", {"text": features / features.norm(dim=-1, keepdim=True)})


@torch.no_grad()
def write_classifiers() -> None:
    labels = {"id2label": {0: "cat", 1: "dog", 2: "bird"}, "label2id": {"cat": 0, "dog": 1, "bird": 2}}
    inputs = pixels("classifiers")
    vit = made(transformers.ViTForImageClassification(transformers.ViTConfig(**VISION, **labels, qkv_bias=False)), "vit-c")
    states = vit.vit(inputs).last_hidden_state
    expected = {"pixels": inputs, "states": states, "embedding": states[:, 0], "classes": vit(inputs).logits}
    save(paths.MODELS / "vit-classifier-tiny", vit, expected)
    peft = adapted(
        "vit-classifier-r2",
        made_again(vit, "vit-classifier-tiny"),
        "image",
        target_modules=[*LINEARS, "o_proj", "projection"],
        rank_pattern={"layers.1.mlp.fc1": 3},
        alpha_pattern={"q_proj": 11, "layers.0.mlp.fc2": 2},
    )
    tower = peft.base_model.model.vit(inputs).last_hidden_state
    expect(paths.PEFT / "vit-classifier-r2", {"states": tower, "classes": peft.base_model.model(inputs).logits})

    config = transformers.DeiTConfig(**VISION, **labels)
    deit = made(transformers.DeiTForImageClassificationWithTeacher(config), "deit-c")
    states = deit.deit(inputs).last_hidden_state
    expected = {"pixels": inputs, "states": states, "embedding": states[:, 0], "classes": deit(inputs).logits}
    save(paths.MODELS / "deit-distilled-tiny", deit, expected)

    # Without names for its labels.
    config = transformers.CLIPConfig(text_config=TEXT, vision_config=VISION)
    clip = made(transformers.CLIPForImageClassification(config), "clip-c")
    out = clip.vision_model(inputs)
    expected = {"pixels": inputs, "states": out.last_hidden_state, "embedding": out.pooler_output}
    save(paths.MODELS / "clip-classifier-tiny", clip, expected | {"classes": clip(inputs).logits})

    config = transformers.SiglipConfig(text_config=TEXT, vision_config=VISION, **labels)
    siglip = made(transformers.SiglipForImageClassification(config), "siglip-c")
    out = siglip.vision_model(inputs)
    expected = {"pixels": inputs, "states": out.last_hidden_state, "embedding": out.pooler_output}
    save(paths.MODELS / "siglip-classifier-tiny", siglip, expected | {"classes": siglip(inputs).logits})


if __name__ == "__main__":
    write_siglip()
    write_bare_towers()
    write_clip_texts()
    write_classifiers()
