"""What differs between towers: reading sets, preparing inputs, changing them in training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch

from .data import Split, TowerSet
from .run import Run, Source


class Modality(ABC):
    """One kind of data. `prepared` and `augmented` give what the network reads."""

    name: ClassVar[str]
    max_parameters: ClassVar[int]

    @property
    @abstractmethod
    def shape(self) -> list[int]:
        """Of one input to the network."""

    @abstractmethod
    def load(self, source: Source, root: Path) -> TowerSet:
        """Reads one set.

        Raises:
            InputError: naming the file, the field or row, and its value.
        """

    def measure(self, sets: Sequence[TowerSet]) -> None:  # noqa: B027  (most have nothing to measure)
        """Takes constants of standardisation from the training data, where there are any."""

    @abstractmethod
    def prepared(self, inputs: torch.Tensor, extent: torch.Tensor) -> torch.Tensor:
        """`[N, *shape]`, as the engine prepares the same inputs."""

    @abstractmethod
    def augmented(self, inputs: torch.Tensor, extent: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
        """`[N, *shape]`, changed at random in ways that leave the meaning."""

    @abstractmethod
    def preprocessing(self) -> dict[str, Any]:
        """The engine's `preprocessor_config.json`: what came before the network in training."""

    @abstractmethod
    def engine_input(self, data: TowerSet, split: Split, row: int) -> Any:
        """The raw input as the engine takes it (`loam.Input`)."""


def open_modality(run: Run, path: Path, stored: dict[str, Any] | None = None) -> Modality:
    """The modality of a run, with the constants of `stored`, a `preprocessor_config.json`, where it is given.

    Raises:
        InputError: naming a value of the run's file `path` that is out of its range.
    """
    from .image.modality import Pictures
    from .imu.modality import Motions
    from .sound.modality import Sounds

    return {kind.name: kind for kind in (Pictures, Motions, Sounds)}[run.modality](run, path, stored)
