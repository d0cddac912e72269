"""`data.json`: what a folder's rows are for."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import table
from ..errors import InputError

NAME = "data.json"
TASKS = ("classify", "tag", "generate", "transcribe", "answer", "retrieve")
MAX_BYTES = 1 << 20
MAX_LABELS = 10_000


@dataclass(frozen=True)
class Motion:
    """How the folder's recordings of motion were made; the words are those of the engine's preprocessing."""

    rate: float
    """Hz."""
    layout: str = "accelerometer_gyroscope"
    acceleration: str = "m/s^2"
    rotation: str = "rad/s"
    axes: str = "android"
    gravity: str = "included"


@dataclass(frozen=True)
class Description:
    """The file's fields; empty where it has none."""

    schema: int = 1
    name: str = ""
    task: str = ""
    labels: list[str] = field(default_factory=list)
    """All classes, in the order of the head's outputs."""
    label_texts: dict[str, str] = field(default_factory=dict)
    """Words that stand for a class where its name says little."""
    template: str = ""
    instructions: str = ""
    """The system message."""
    licence: str = ""
    source: str = ""


def read(folder: Path) -> tuple[Description, Motion | None]:
    """The description of `folder`, empty if it has no `data.json`.

    Raises:
        InputError: naming the key and its value.
    """
    path = folder / NAME
    if not path.exists():
        return Description(), None
    values = _object(path)
    motion = values.pop("motion", None)
    found = table.fill(Description, values, path)

    def need(held: bool, key: str, value: object, expected: str) -> None:
        if not held:
            raise InputError(path, f"{key} is {value!r}, expected {expected}")

    need(found.schema == 1, "schema", found.schema, "1")
    need(found.task in ("", *TASKS), "task", found.task, " or ".join(TASKS))
    need(len(found.labels) <= MAX_LABELS, "labels", f"a list of {len(found.labels)}", f"at most {MAX_LABELS}")
    repeated = [label for i, label in enumerate(found.labels) if label in found.labels[:i]]
    need(not repeated, "labels", repeated[:1], "each class once")
    need(not found.template or "{}" in found.template, "template", found.template, "a text with {} in it")
    if found.labels:
        unknown = [label for label in found.label_texts if label not in found.labels]
        need(not unknown, "label_texts", unknown[:1], "classes that labels names")
    if motion is None:
        return found, None
    recorded = table.fill(Motion, motion, path, "motion")
    need(0 < recorded.rate <= 10_000, "motion.rate", recorded.rate, "more than 0 and at most 10000 Hz")
    choices = {"acceleration": ("m/s^2", "g"), "rotation": ("rad/s", "deg/s"), "axes": ("android", "ios")}
    for key, known in choices.items():
        need(getattr(recorded, key) in known, f"motion.{key}", getattr(recorded, key), " or ".join(known))
    return found, recorded


def _object(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(path, f"{path.stat().st_size} bytes, the limit is {MAX_BYTES}")
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, error.strerror or str(error)) from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(path, str(error)) from error
    if not isinstance(values, dict):
        raise InputError(path, "expected a JSON object")
    return values
