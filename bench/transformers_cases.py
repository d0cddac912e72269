"""Networks of the transformers library in published shapes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers

from encoder_case import Case, Network

# CLIP's end of text.
END = 49_407
PICTURE = (3, 224, 224)


def vit(width: int, heads: int) -> Network:
    return transformers.ViTModel(
        transformers.ViTConfig(hidden_size=width, num_attention_heads=heads, intermediate_size=4 * width)
    )


def deit(width: int, heads: int) -> Network:
    return transformers.DeiTModel(
        transformers.DeiTConfig(hidden_size=width, num_attention_heads=heads, intermediate_size=4 * width)
    )


def siglip_without_head(side: int) -> Network:
    return transformers.SiglipVisionModel(transformers.SiglipVisionConfig(image_size=side, vision_use_head=False))


def whisper(width: int, layers: int, heads: int) -> Network:
    """The decoder is not measured, so it is as small as it may be."""
    config = transformers.WhisperConfig(
        d_model=width, encoder_layers=layers, encoder_attention_heads=heads, encoder_ffn_dim=4 * width,
        decoder_layers=1, decoder_attention_heads=heads, decoder_ffn_dim=width,
    )
    return transformers.WhisperModel(config)


def minilm() -> Network:
    config = transformers.BertConfig(
        hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
    )
    return transformers.BertModel(config, add_pooling_layer=False)


def save_minilm(model: Any, folder: Path) -> None:
    """In the layout of sentence-transformers."""
    model.save_pretrained(folder)
    module = "sentence_transformers.models."
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": f"{module}Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{module}Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": f"{module}Normalize"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 256}))
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 384, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling/config.json").write_text(json.dumps(pooling))


def save_wav2vec2(model: Any, folder: Path) -> None:
    model.save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)


def unit(vectors: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(vectors, dim=-1)


def mean(model: Any, x: torch.Tensor) -> torch.Tensor:
    return model(x).last_hidden_state.mean(1)


def encoder_mean(model: Any, x: torch.Tensor) -> torch.Tensor:
    return mean(model.encoder, x)


CASES = (
    Case("MiniLM-L6, 16 tokens", "text", minilm, (16,), lambda model, x: unit(mean(model, x)), save_minilm),
    Case("MiniLM-L6, 128 tokens", "text", minilm, (128,), lambda model, x: unit(mean(model, x)), save_minilm),
    # The whole context, as exported CLIPs read it; Loam itself leaves the padding out.
    Case(
        "CLIP ViT-B/32 text, 77 tokens",
        "text",
        lambda: transformers.CLIPTextModelWithProjection(transformers.CLIPTextConfig()),
        (77,),
        lambda model, x: unit(model(x).text_embeds),
        end=END,
    ),
    Case(
        "SigLIP B text, 64 tokens",
        "text",
        lambda: transformers.SiglipTextModel(transformers.SiglipTextConfig()),
        (64,),
        lambda model, x: unit(model(x).pooler_output),
    ),
    Case("ViT-Ti/16 224", "image", lambda: vit(192, 3), PICTURE),
    Case("ViT-S/16 224", "image", lambda: vit(384, 6), PICTURE),
    Case("ViT-B/16 224", "image", lambda: vit(768, 12), PICTURE),
    Case("DeiT-Ti/16 224", "image", lambda: deit(192, 3), PICTURE),
    Case("DeiT-S/16 224", "image", lambda: deit(384, 6), PICTURE),
    Case(
        "CLIP ViT-B/32 224",
        "image",
        lambda: transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig()),
        PICTURE,
        lambda model, x: model(x).image_embeds,
    ),
    Case(
        "SigLIP B/16 224",
        "image",
        lambda: transformers.SiglipVisionModel(transformers.SiglipVisionConfig()),
        PICTURE,
    ),
    # One tile of SmolVLM-256M: the function of its vision tower, which Loam opens within the whole model only.
    Case("SigLIP B/16 512 without head", "image", lambda: siglip_without_head(512), (3, 512, 512), mean),
    Case("AST, 10 s", "sound", lambda: transformers.ASTModel(transformers.ASTConfig()), (1024, 128)),
    Case("Whisper tiny encoder, 30 s", "speech", lambda: whisper(384, 4, 6), (80, 3000), encoder_mean),
    Case("Whisper base encoder, 30 s", "speech", lambda: whisper(512, 6, 8), (80, 3000), encoder_mean),
    Case("Whisper small encoder, 30 s", "speech", lambda: whisper(768, 12, 12), (80, 3000), encoder_mean),
    Case(
        "Wav2Vec2 base, 4 s",
        "speech",
        lambda: transformers.Wav2Vec2Model(transformers.Wav2Vec2Config()),
        (64000,),
        mean,
        save_wav2vec2,
    ),
)
