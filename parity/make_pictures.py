"""Writes the goldens of picture input: small pictures in every encoding, as Pillow decodes them and as transformers
prepares them.

`pictures/files/` holds the pictures; `decoded.safetensors` has each one [H, W, 3] as Pillow gives it, turned upright by
`exif_transpose`. `processors.json` holds configurations by name, `prepared.safetensors` has `<configuration>/<picture>`
[C, H, W] from the processor's Pillow backend; configurations that say nothing of their size give 224 x 224 pixels, of
which every eighth is stored. `resized.safetensors` has `<filter>/<width>x<height>` [H, W, 3] of one picture by Pillow.

Two kinds of pictures are not decoded by Pillow: 16-bit ones, which it cuts to the high byte, or clips when they are grey,
and which are stored rounded to 8 bits here; and, in `prepared.safetensors`, those with alpha, which transformers 5 lays on
white and which lose their alpha here before they reach it, as in every release before.

Pillow 13 resizes columns before rows when a picture becomes much flatter. Both orders round to 8 bits in between, so that
a bicubic filter's result moves by up to 13 levels at hard edges. Released checkpoints saw the older order.
"""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL
import torch
import transformers
from PIL import Image, ImageOps
from safetensors.torch import save_file

import paths
from make_models import fresh

FOLDER = paths.FIXTURES / "pictures"
ORIENTATION = 0x0112

PROCESSORS: dict[str, dict] = {
    "clip": {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 30},
             "crop_size": {"height": 28, "width": 28}},
    "clip-numbers": {"feature_extractor_type": "CLIPFeatureExtractor", "size": 21, "crop_size": 20},
    "clip-fast-padded": {"image_processor_type": "CLIPImageProcessorFast", "size": {"shortest_edge": 18},
                         "crop_size": {"height": 31, "width": 25}},
    "siglip": {"image_processor_type": "SiglipImageProcessor", "size": {"height": 26, "width": 22}},
    "siglip-number": {"image_processor_type": "SiglipImageProcessor", "size": 14},
    "vit": {"image_processor_type": "ViTImageProcessor", "size": 24},
    "vit-unsquare": {"image_processor_type": "ViTImageProcessor", "size": 12, "default_to_square": False},
    "vit-lanczos": {"image_processor_type": "ViTImageProcessorFast", "size": [17, 23], "resample": 1,
                    "image_mean": 0.4, "image_std": 0.3},
    "vit-nearest": {"image_processor_type": "ViTImageProcessor", "size": 24, "resample": 0},
    "vit-unscaled": {"image_processor_type": "ViTImageProcessor", "size": 9, "do_rescale": False,
                     "image_mean": [120.0, 110.0, 100.0], "image_std": [60.0, 61.5, 62.25]},
    "vit-bytes": {"image_processor_type": "ViTImageProcessor", "size": 9, "do_rescale": False, "do_normalize": False},
    "vit-half": {"image_processor_type": "ViTImageProcessor", "size": 9, "rescale_factor": 0.00784313725490196,
                 "image_mean": [1.0, 1.0, 1.0], "image_std": [1.0, 1.0, 1.0]},
    "vit-whole": {"image_processor_type": "ViTImageProcessor", "do_resize": False},
    "vit-grey": {"image_processor_type": "ViTImageProcessor", "size": 24, "image_mean": [0.2860],
                 "image_std": [0.3530]},
    "deit": {"image_processor_type": "DeiTImageProcessor", "size": 32, "crop_size": 25},
    "silent-clip": {"image_processor_type": "CLIPImageProcessor"},
    "silent-siglip": {"image_processor_type": "SiglipImageProcessor"},
    "silent-vit": {"image_processor_type": "ViTImageProcessor"},
    "silent-deit": {"image_processor_type": "DeiTImageProcessor"},
}

RESIZED = ((24, 24), (53, 11), (120, 90), (7, 74), (1, 1), (52, 37))
FILTERS = {"nearest": Image.Resampling.NEAREST, "lanczos": Image.Resampling.LANCZOS,
           "bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def scene(width: int, height: int, seed: int) -> np.ndarray:
    """Gradients, hard edges and a little noise: what filters and codecs disagree on."""
    noise = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    red = 255 * x / max(width - 1, 1)
    green = 127 + 120 * np.sin(y / 4.0 + x / 9.0)
    blue = np.where((x // 6 + y // 5) % 2 == 0, 240, 15)
    pixels = np.stack([red, green, blue], -1) + noise.normal(0, 8, (height, width, 3))
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def smooth(width: int, height: int) -> Image.Image:
    """No hard edges, so that two decoders of a lossy format can agree."""
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([40 + 2.5 * x, 200 - 2.0 * y, 90 + 1.5 * (x + y)], -1)
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def oriented(code: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = code
    return exif


def png16(pixels: np.ndarray) -> bytes:
    """A PNG with 16 bits per channel, grey or RGB, which Pillow writes for grey only."""
    height, width = pixels.shape[:2]
    colour = 0 if pixels.ndim == 2 else 2

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def write_pictures(folder: Path) -> dict[str, np.ndarray]:
    """Writes every picture; returns what the decoder must give for those that Pillow does not decode."""
    landscape, portrait = Image.fromarray(scene(53, 37, 1)), Image.fromarray(scene(31, 64, 2))
    landscape.save(folder / "landscape.png")
    portrait.save(folder / "portrait.png")
    Image.fromarray(scene(5, 3, 3)).save(folder / "tiny.png")
    Image.fromarray(scene(1, 1, 4)).save(folder / "one.png")
    Image.fromarray(scene(40, 2, 5)).save(folder / "narrow.png")
    portrait.convert("L").save(folder / "grey.png")
    landscape.convert("1").save(folder / "bits.png")
    landscape.quantize(23).save(folder / "palette.png")
    landscape.quantize(11).save(folder / "palette-clear.png", transparency=3)
    landscape.save(folder / "rgb-clear.png", transparency=tuple(scene(53, 37, 1)[0, 0].tolist()))
    alpha = landscape.copy()
    alpha.putalpha(Image.fromarray(scene(53, 37, 6)[..., 0]))
    alpha.save(folder / "alpha.png")
    grey_alpha = portrait.convert("L")
    grey_alpha.putalpha(Image.fromarray(scene(31, 64, 7)[..., 0]))
    grey_alpha.save(folder / "grey-alpha.png")
    alpha.save(folder / "alpha.webp", lossless=True, exact=True)
    portrait.save(folder / "lossless.webp", lossless=True)
    smooth(46, 33).save(folder / "lossy.webp", quality=90)
    for code in range(1, 9):
        smooth(23, 14).save(folder / f"orientation-{code}.jpg", quality=92, exif=oriented(code))
    landscape.save(folder / "orientation-6.png", exif=oriented(6))
    landscape.save(folder / "orientation-5.webp", lossless=True, exif=oriented(5))
    smooth(46, 33).save(folder / "full.jpg", quality=95, subsampling=0)
    smooth(46, 33).save(folder / "halved.jpg", quality=90, subsampling=2)
    smooth(46, 33).save(folder / "progressive.jpg", quality=90, progressive=True)
    smooth(46, 33).convert("L").save(folder / "grey.jpg", quality=90)
    smooth(46, 33).convert("CMYK").save(folder / "cmyk.jpg", quality=95)

    wide = scene(19, 12, 8).astype(np.uint16) * 257 + np.random.default_rng(9).integers(0, 100, (12, 19, 3), np.uint16)
    wide = np.minimum(wide, 65500)
    (folder / "rgb-16.png").write_bytes(png16(wide))
    (folder / "grey-16.png").write_bytes(png16(wide[..., 0]))
    narrowed = ((wide.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    return {"rgb-16.png": narrowed, "grey-16.png": np.repeat(narrowed[..., :1], 3, 2)}


def upright(path: Path) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(path))


def processor(config: dict):
    """The Pillow backend of the processor that a configuration names."""
    kind = config.get("image_processor_type") or config["feature_extractor_type"]
    for ending in ("ImageProcessorFast", "ImageProcessor", "FeatureExtractor"):
        kind = kind.removesuffix(ending)
    options = {name: value for name, value in config.items() if not name.endswith("_type")}
    return getattr(transformers, f"{kind}ImageProcessorPil")(**options)


def main() -> None:
    if int(PIL.__version__.split(".")[0]) > 12:
        raise SystemExit(f"Pillow {PIL.__version__} resizes in another order; requirements.txt says which one is meant")
    folder = fresh(FOLDER)
    files = fresh(folder / "files")
    by_hand = write_pictures(files)
    decoded = {
        path.name: by_hand.get(path.name, np.asarray(upright(path).convert("RGB"))) for path in sorted(files.iterdir())
    }
    save_file({name: torch.from_numpy(pixels.copy()) for name, pixels in decoded.items()},
              folder / "decoded.safetensors")

    saved = processor(PROCESSORS["clip"]).to_dict()
    configs = PROCESSORS | {"clip-saved": saved}
    prepared = {}
    for name, config in configs.items():
        run = processor(config)
        silent = name.startswith("silent-")
        some = ("landscape.png",) if silent else ("landscape.png", "portrait.png", "tiny.png", "grey.png", "alpha.png",
                                                  "palette.png", "lossless.webp", "orientation-6.png")
        for picture in some:
            mode = "L" if name == "vit-grey" else "RGB"
            values = run(upright(files / picture).convert(mode), return_tensors="pt")["pixel_values"][0].float()
            values = values[:, ::8, ::8] if silent else values
            prepared[f"{name}/{picture}"] = values.contiguous()
    (folder / "processors.json").write_text(json.dumps(configs, indent=1) + "\n")
    save_file(prepared, folder / "prepared.safetensors")

    source = Image.open(files / "landscape.png")
    save_file({
        f"{name}/{width}x{height}": torch.from_numpy(np.array(source.resize((width, height), code)))
        for name, code in FILTERS.items()
        for width, height in RESIZED
    }, folder / "resized.safetensors")
    print(f"pictures    {len(decoded)} pictures, {len(configs)} processors, {len(prepared)} prepared")


if __name__ == "__main__":
    main()
