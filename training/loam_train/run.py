"""One training run of a motion tower, as its TOML file describes it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import table
from .errors import InputError


@dataclass(frozen=True)
class Window:
    """What every recording becomes: `steps` samples at `rate` Hz, m/s^2 and rad/s, Android's frame, gravity included."""

    rate: float
    steps: int


@dataclass(frozen=True)
class Source:
    """One data set. Units, channels and rate are in its own `meta.json`."""

    folder: str
    """Below the data sets' root."""
    licence: str
    labels: dict[str, str]
    """From each class of `meta.json` to the words that stand for it."""
    frame: str = "android"
    """Sign convention, as the engine calls it: `android` or `ios`."""
    coarse: dict[str, list[str]] = field(default_factory=dict)
    """Groups of classes that are scored as well; classes of no group are one of their own."""

    @property
    def name(self) -> str:
        return Path(self.folder).name


@dataclass(frozen=True)
class Texts:
    """How a label becomes sentences."""

    deployed: str
    """The template that the engine uses for motion, `{}` standing for the label."""
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


@dataclass(frozen=True)
class Augmentation:
    """Spreads of the random changes to training windows; 0 leaves out a change."""

    rotation: float
    """Of the sensor's mounting, radians."""
    scale: float
    """Of sensitivity, relative."""
    jitter: float
    """Of noise, in standard deviations of the data."""
    speed: float
    """Of how fast the movement is done, relative."""
    shift: float
    """Of the window's begin, in shares of a window."""


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


@dataclass(frozen=True)
class Run:
    """All of it."""

    name: str
    window: Window
    texts: Texts
    network: Network
    augmentation: Augmentation
    training: Training
    sets: list[Source]

    def digest(self) -> str:
        """Equal for runs whose checkpoints fit each other: a run may be given more time, all else is another run."""
        values = dataclasses.asdict(self)
        del values["training"]["steps"], values["training"]["minutes"]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def read(path: Path) -> Run:
    """Reads and checks.

    Raises:
        InputError: naming the key and its value.
    """
    run = table.fill(Run, table.read(path), path)

    def need(held: bool, key: str, value: object, expected: str) -> None:
        if not held:
            raise InputError(path, f"{key} is {value!r}, expected {expected}")

    need(1 <= run.window.rate <= 10_000, "window.rate", run.window.rate, "1 to 10000 Hz")
    need(run.window.steps >= 2, "window.steps", run.window.steps, "at least 2")
    need(run.network.logit_scale > 0, "network.logit_scale", run.network.logit_scale, "a positive number")
    for key in ("steps", "minutes", "batch", "checkpoint_steps", "learning_rate", "clip", "warmup_steps"):
        need(getattr(run.training, key) > 0, f"training.{key}", getattr(run.training, key), "a positive number")
    for change, spread in vars(run.augmentation).items():
        need(spread >= 0, f"augmentation.{change}", spread, "0 or more")
    for template in run.texts.templates:
        need(template.count("{}") == 1, "texts", template, "one '{}' for the label")
    need(bool(run.sets), "sets", run.sets, "at least one")
    names = [source.name for source in run.sets]
    need(len(set(names)) == len(names), "sets", names, "each name once")
    for source in run.sets:
        need(source.frame in ("android", "ios"), f"{source.name}: frame", source.frame, "android or ios")
        texts = list(source.labels.values())
        need(len(set(texts)) == len(texts), f"{source.name}: labels", texts, "each text once")
        for group, classes in source.coarse.items():
            for name in classes:
                need(name in source.labels, f"{source.name}: coarse.{group}", name, "a class of labels")
    return run
