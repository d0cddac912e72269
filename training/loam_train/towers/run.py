"""One training run of a tower, as its TOML file describes it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import table

MODALITIES = ("image", "imu", "sound")


@dataclass(frozen=True)
class Source:
    """One data set. Units, channels and rates are in its own `meta.json`."""

    folder: str
    """Below the data sets' root."""
    licence: str
    labels: dict[str, str]
    """From each class to the words that stand for it."""
    weight: float = 1.0
    """How much more often its examples are drawn than its size says."""
    frame: str = "android"
    """Sign convention of motion, as the engine calls it: `android` or `ios`."""
    mirror: float = 0.0
    """Share of pictures that training shows mirrored; 0 where left and right mean something."""
    coarse: dict[str, list[str]] = field(default_factory=dict)
    """Groups of classes that are scored as well; classes of no group are one of their own."""

    @property
    def name(self) -> str:
        return Path(self.folder).name


@dataclass(frozen=True)
class Texts:
    """How a label becomes sentences."""

    deployed: str
    """The template that the engine uses for this modality, `{}` standing for the label."""
    others: list[str]
    """Paraphrases: their average is less a matter of wording than one sentence."""

    @property
    def templates(self) -> list[str]:
        return [self.deployed, *self.others]


@dataclass(frozen=True)
class Network:
    """The tower's `config.json` but for what follows from the rest."""

    stages: list[dict[str, Any]]
    pooling: str
    logit_scale: float
    """Fixed: learned scales grow until wrong answers cost nothing more, before the trunk has learned."""
    whitening: float = 0.0
    """Share of an even spread that is mixed into the anchors' covariance before whitening; 0 leaves whitening out."""


@dataclass(frozen=True)
class Training:
    """The optimizer and its clock."""

    seed: int
    steps: int
    minutes: float
    """Of computing, interruptions aside; the run ends with its steps or its minutes, whichever come first."""
    batch: int
    balance: float
    """Sets are drawn by size to this power: 1 as they are, 0 all alike."""
    learning_rate: float
    weight_decay: float
    warmup_steps: int
    clip: float
    checkpoint_steps: int
    hold: float = 0.0
    """Share of the origins, such as people, whose training rows are kept back, to judge with: see `held.py`."""
    mixup: float = 0.0
    """Chance of a batch to be mixed with itself in another order (arXiv 1710.09412), by even shares."""
    precision: str = "float32"
    """Of products in training: `float32` or `bfloat16`. Weights and the loss are fp32 in both."""


@dataclass(frozen=True)
class Run:
    """All of it."""

    name: str
    modality: str
    window: dict[str, Any]
    """What every input becomes, in the modality's own terms."""
    texts: Texts
    network: Network
    augmentation: dict[str, Any]
    """Spreads of the random changes in training, in the modality's own terms; 0 leaves out a change."""
    training: Training
    sets: list[Source]

    def digest(self) -> str:
        """Equal for runs whose checkpoints fit each other: a run may be given more time, all else is another run."""
        values = dataclasses.asdict(self)
        del values["training"]["steps"], values["training"]["minutes"]
        # Left out where they are not used, so that checkpoints from before there were any still fit.
        for name in ("hold", "mixup"):
            if not values["training"][name]:
                del values["training"][name]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def read(path: Path) -> Run:
    """Reads and checks.

    Raises:
        InputError: naming the key and its value.
    """
    run = table.fill(Run, table.read(path), path)
    need = table.needing(path)
    need(run.modality in MODALITIES, "modality", run.modality, " or ".join(MODALITIES))
    need(run.network.logit_scale > 0, "network.logit_scale", run.network.logit_scale, "a positive number")
    need(0 <= run.network.whitening <= 1, "network.whitening", run.network.whitening, "0 to 1")
    need(
        run.training.precision in ("float32", "bfloat16"),
        "training.precision",
        run.training.precision,
        "float32 or bfloat16",
    )
    for key in ("steps", "minutes", "batch", "checkpoint_steps", "learning_rate", "clip", "warmup_steps"):
        need(getattr(run.training, key) > 0, f"training.{key}", getattr(run.training, key), "a positive number")
    need(0 <= run.training.balance <= 1, "training.balance", run.training.balance, "0 to 1")
    need(0 <= run.training.hold <= 0.5, "training.hold", run.training.hold, "0 to 0.5")
    need(0 <= run.training.mixup <= 1, "training.mixup", run.training.mixup, "0 to 1")
    need(run.training.weight_decay >= 0, "training.weight_decay", run.training.weight_decay, "0 or more")
    for template in run.texts.templates:
        need(template.count("{}") == 1, "texts", template, "one '{}' for the label")
    need(bool(run.sets), "sets", run.sets, "at least one")
    names = [source.name for source in run.sets]
    need(len(set(names)) == len(names), "sets", names, "each name once")
    for source in run.sets:
        need(source.frame in ("android", "ios"), f"{source.name}: frame", source.frame, "android or ios")
        need(source.weight > 0, f"{source.name}: weight", source.weight, "a positive number")
        need(0 <= source.mirror <= 1, f"{source.name}: mirror", source.mirror, "0 to 1")
        texts = list(source.labels.values())
        need(len(set(texts)) == len(texts), f"{source.name}: labels", texts, "each text once")
        for group, classes in source.coarse.items():
            for name in classes:
                need(name in source.labels, f"{source.name}: coarse.{group}", name, "a class of labels")
    return run
