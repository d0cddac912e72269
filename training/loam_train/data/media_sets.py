"""Which sets of pictures, sound and motion `folders` writes, with the words that the towers were trained with."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from .. import places
from .media import Media, asked, described, spoken, told
from .spoken_strings import Strings

_SIGN = " traffic sign"
_CONFIGS = places.ROOT / "training" / "configs" / "towers"


@cache
def _run(modality: str) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((_CONFIGS / f"{modality}.toml").read_text(encoding="utf-8"))
    return found


def _trained(modality: str, folder: str, source: str, names: dict[str, str] | None = None) -> Media:
    """A set of a tower's run: its licence, and the words for its classes."""
    run = _run(modality)
    entry = next(one for one in run["sets"] if one["folder"] == folder)
    names = names or {}
    texts = {names.get(label, label): words for label, words in entry["labels"].items()}
    template, hold = run["texts"]["deployed"], run["training"].get("hold", 0.0)
    return Media(folder, "classify", entry["licence"], source, names, texts, template, hold=hold)


def _signs() -> dict[str, str]:
    entry = next(one for one in _run("image")["sets"] if Path(one["folder"]).name == "gtsrb")
    return {label: words.removesuffix(_SIGN) for label, words in entry["labels"].items()}


def _falls() -> Media:
    entry = next(one for one in _run("imu")["sets"] if Path(one["folder"]).name == "sisfall")
    names = {label: "fall" if label.startswith("F") else "no fall" for label in entry["labels"]}
    texts = {"fall": "falling to the ground", "no fall": "moving in daily life"}
    template, hold = _run("imu")["texts"]["deployed"], _run("imu")["training"].get("hold", 0.0)
    source = "SisFall, falls against all else"
    return Media(entry["folder"], "classify", entry["licence"], source, names, texts, template, hold=hold)


def sets() -> dict[str, Media | Strings]:
    """All of them, by the name of their folder."""
    return {
        "mnist": _trained("image", "cv/mnist", "MNIST"),
        "fashion_mnist": _trained("image", "cv/fashion_mnist", "Fashion-MNIST"),
        "cifar10": _trained("image", "cv/cifar10", "CIFAR-10, lossy copy"),
        "gtsrb": _trained("image", "cv/gtsrb", "GTSRB training images, split by track", _signs()),
        "easy_vqa": Media(
            "multimodal/easy_vqa", "answer", "MIT", "easy-VQA", fields=asked,
            instructions="Answer the question about the picture in one word.",
        ),
        "flowers5": Media(
            "cv/flowers5", "classify", "unclear: photographs gathered from public sites; not for publication",
            "flowers of Kaggle, five kinds", template=_run("image")["texts"]["deployed"],
        ),
        "captions": Media(
            "multimodal/flickr8k_1000", "answer", "NC: non-commercial research", "1,000 pictures of Flickr8k",
            fields=described, instructions="Describe the picture in one sentence.",
        ),
        "caption_search": Media(
            "multimodal/flickr8k_1000", "retrieve", "NC: non-commercial research", "1,000 pictures of Flickr8k",
            fields=told,
        ),
        "ravdess": Media(
            "audio/ravdess", "classify", "NC: CC BY-NC-SA 4.0", "RAVDESS, 15 actors",
            template=_run("sound")["texts"]["deployed"],
        ),
        "esc10": _trained("sound", "audio/esc10", "ESC-10"),
        "fsdd": _trained("sound", "audio/fsdd", "Free Spoken Digit Dataset"),
        "emodb": _trained("sound", "audio/emodb", "EmoDB"),
        "yesno": Media("audio/yesno", "transcribe", "free (OpenSLR 1)", "yesno", fields=spoken),
        "fsdd_strings": Strings(
            "audio/fsdd", "CC BY-SA 4.0 (FSDD)", "strings of 1 to 6 digits from test recordings of FSDD", 100, 6
        ),
        "ljspeech": Media("audio/ljspeech_small", "transcribe", "public domain", "141 clips of LJ Speech", fields=spoken),
        "wisdm_phone": _trained("imu", "sensing/wisdm51_phone", "WISDM-51"),
        "wisdm_watch": _trained("imu", "sensing/wisdm51_watch", "WISDM-51"),
        "sisfall": _trained("imu", "sensing/sisfall", "SisFall"),
        "falls": _falls(),
        "utd_mhad": _trained("imu", "sensing/utd_mhad_inertial", "UTD-MHAD"),
    }  # fmt: skip
