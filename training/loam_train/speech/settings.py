"""A run of the speech tower, as its TOML file describes it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import table
from .augment import Augmentation
from .lines import Cast, Script, Texts
from .mel import Mel
from .recordings import Recorded
from .voices import ENGINES


@dataclass(frozen=True)
class Network:
    """The tower's `config.json` but for what follows from the rest."""

    window: int
    """Most frames that the engine hears at once."""
    dim: int
    """Of the embedding that a tower gives besides; ours is not trained for one and keeps it small."""
    stages: list[dict[str, Any]]


@dataclass(frozen=True)
class Training:
    """The optimizer and its clock."""

    seed: int
    minutes: float
    """Of computing by one thread; neither pauses nor other programs count."""
    steps: int
    """The run ends with its steps or its minutes, whichever come first."""
    batch_seconds: float
    """Of sound in a batch, silence included."""
    slack: float
    """Seconds of silence that a row has at most beyond its speech."""
    warm_seconds: float
    """The first twentieth of the run hears nothing longer: alignments of short texts are found sooner."""
    learning_rate: float
    weight_decay: float
    warmup_steps: int
    clip: float
    checkpoint_steps: int
    bfloat16: bool


@dataclass(frozen=True)
class Scores:
    """What is scored."""

    strings: int
    """Of words, for each set of words."""
    longest: int
    """Words of a string."""
    voices: float
    """Hours of texts and voices that training did not hear."""
    beam: int


@dataclass(frozen=True)
class Run:
    """All of it."""

    name: str
    mel: Mel
    network: Network
    script: Script
    recorded: list[Recorded]
    augmentation: list[Augmentation]
    """By the step that each begins at."""
    training: Training
    scores: Scores

    def digest(self) -> str:
        """Equal for runs whose checkpoints fit each other: a run may be given more time, all else is another run."""
        values = dataclasses.asdict(self)
        del values["training"]["steps"], values["training"]["minutes"], values["scores"]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    @property
    def stride(self) -> int:
        """Frames of the spectrogram to one of the tower."""
        out = 1
        for stage in self.network.stages:
            for step in stage.get("stride", []):
                out *= step
        return out

    @property
    def licences(self) -> list[str]:
        """Of all that was heard and read, each once."""
        sources: list[Recorded | Texts | Cast] = [*self.recorded, *self.script.texts, *self.script.casts]
        return list(dict.fromkeys(source.licence for source in sources))


def read(path: Path) -> Run:
    """Reads and checks.

    Raises:
        InputError: naming the key and its value.
    """
    run = table.fill(Run, table.read(path), path)
    need = table.needing(path)
    mel = run.mel
    need(4000 <= mel.rate <= 192_000, "mel.rate", mel.rate, "4000 to 192000 Hz")
    need(16 <= mel.transform <= 1 << 14 and mel.transform % 2 == 0, "mel.transform", mel.transform, "even, 16 to 16384")
    need(1 <= mel.hop <= mel.transform, "mel.hop", mel.hop, "1 to the transform")
    need(1 <= mel.bins <= 512, "mel.bins", mel.bins, "1 to 512")
    need(0 <= mel.low < mel.high <= mel.rate / 2, "mel.low", mel.low, "0 <= low < high <= rate / 2")
    need(mel.offset > 0, "mel.offset", mel.offset, "a positive number")
    need(mel.scale > 0, "mel.scale", mel.scale, "a positive number")
    for key in ("window", "dim"):
        need(1 <= getattr(run.network, key) <= 1 << 16, f"network.{key}", getattr(run.network, key), "1 to 65536")
    training = {key: value for key, value in vars(run.training).items() if key not in ("seed", "bfloat16")}
    for key, value in training.items():
        least = value >= 0 if key in ("slack", "weight_decay") else value > 0
        need(least, f"training.{key}", value, "a positive number")
    begins = [plan.from_step for plan in run.augmentation]
    need(begins[:1] == [0] and begins == sorted(set(begins)), "augmentation: from_step", begins, "0, then later steps")
    for plan in run.augmentation:
        for change, value in vars(plan).items():
            need(value >= 0 and (change == "from_step" or value <= 9), f"augmentation.{change}", value, "0 to 9")
    need(0 < run.script.hours <= 10_000, "script.hours", run.script.hours, "above 0")
    for key in ("rate", "warp"):
        pair = getattr(run.script, key)
        need(len(pair) == 2 and 0.8 <= pair[0] <= pair[1] <= 1.25, f"script.{key}", pair, "two of 0.8 to 1.25")
    need(bool(run.script.texts), "script.texts", run.script.texts, "at least one")
    need(bool(run.script.casts), "script.casts", run.script.casts, "at least one")
    for cast in run.script.casts:
        need(cast.engine in ENGINES, "script.casts: engine", cast.engine, f"one of {', '.join(ENGINES)}")
        need(bool(cast.voices), f"{cast.engine}: voices", cast.voices, "at least one")
        heard = set(cast.variants) - set(cast.held_out)
        need(bool(heard), f"{cast.engine}: held_out", cast.held_out, "some variants left for training")
    sources: list[Recorded | Texts | Cast] = [*run.script.texts, *run.script.casts, *run.recorded]
    for source in sources:
        need(source.weight >= 0, "weight", source.weight, "0 or more")
    shares = [one.weight for one in run.recorded]
    need(sum(shares) < 1, "recorded: weight", shares, "below 1 in all")
    for one in run.recorded:
        speeds = one.speeds
        need(
            bool(speeds) and all(0.8 <= s <= 1.25 for s in speeds), f"{one.name}: speeds", speeds, "some of 0.8 to 1.25"
        )
    need(1 <= run.scores.beam <= 32, "scores.beam", run.scores.beam, "1 to 32")
    return run
