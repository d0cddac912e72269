"""A tower with LoRA on every convolution and linear, and a linear head on its embedding; and what the head begins as."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from sklearn.linear_model import LogisticRegression
from torch import nn

from ..towers.modality import Modality
from .features import Inputs

RANK, ALPHA = 4, 8
"""Rank 8 brought no more on any set that was tried."""
PROBE_ROWS = 8_000
"""A logistic regression over more takes longer than the adapter."""
PROBE_STRENGTH = 0.01
"""Inverse of its regularisation, on embeddings as they are (of length 5 to 20)."""
_PREFIX = "base_model.model."
_BATCH = 256


@dataclass(frozen=True)
class Start:
    """A head before training: logits are `weight x + bias`."""

    weight: torch.Tensor
    bias: torch.Tensor

    def __call__(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Logits of embeddings `[N, dim]`."""
        return embeddings @ self.weight.T + self.bias


def anchored(vectors: torch.Tensor, scale: float, embeddings: torch.Tensor) -> Start:
    """Class vectors `[labels, dim]` of unit length as a head: its order is that of cosines, whatever an input's length.

    `embeddings` of training rows say how long inputs are, so that logits are as far apart as the tower's own.
    """
    factor = scale / float(embeddings.norm(dim=1).mean())
    return Start(factor * vectors, torch.zeros(len(vectors)))


def joined(first: Start, second: Start, embeddings: torch.Tensor) -> Start:
    """Both heads' logits added up, each by its spread over `embeddings`, together as far apart as the second's.

    What words say and what rows say err differently: of seven sets that were tried the sum did better than either on two, as
    well as the better on two, and lost up to a point to it on three, where the other lost up to three.
    """
    spreads = [float(start(embeddings).std()) for start in (first, second)]
    share = spreads[1] / (2 * spreads[0])
    return Start(share * first.weight + second.weight / 2, share * first.bias + second.bias / 2)


def probed(embeddings: torch.Tensor, classes: torch.Tensor, labels: int, seed: int) -> Start:
    """A logistic regression on embeddings `[N, dim]` of the tower as it is."""
    order = torch.randperm(len(embeddings), generator=torch.Generator().manual_seed(seed))[:PROBE_ROWS]
    with warnings.catch_warnings():
        # What has not converged after so many rounds is a good start all the same.
        warnings.simplefilter("ignore")
        solver = LogisticRegression(C=PROBE_STRENGTH, max_iter=300)
        fitted = solver.fit(embeddings[order].numpy(), classes[order].numpy())
    rows, offsets = fitted.coef_, fitted.intercept_
    if len(fitted.classes_) == 2:
        rows, offsets = np.concatenate([-rows, rows]) / 2, np.concatenate([-offsets, offsets]) / 2
    # A class without a row among those is never answered.
    weight, bias = torch.zeros(labels, embeddings.shape[1]), torch.full((labels,), -1e3)
    weight[fitted.classes_] = torch.from_numpy(rows).float()
    bias[fitted.classes_] = torch.from_numpy(offsets).float()
    return Start(weight, bias)


class Adapted(nn.Module):
    """The whole; only LoRA and head learn. Norms keep their running statistics, which are the tower's."""

    def __init__(self, tower: nn.Module, labels: int, dim: int) -> None:
        super().__init__()
        targets = [name for name, m in tower.named_modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Linear)]
        self.config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=targets, lora_dropout=0.0, bias="none")
        self.tower: Any = get_peft_model(tower, self.config)
        self.classifier = nn.Linear(dim, labels)
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits `[B, labels]`."""
        logits: torch.Tensor = self.classifier(self.embedding(x).float())
        return logits

    def embedding(self, x: torch.Tensor) -> torch.Tensor:
        """`[B, dim]`, as the engine gives it to a head."""
        found: torch.Tensor = self.tower.base_model.model(x)[0]
        return found

    def begin(self, start: Start) -> None:
        """Sets the head, and takes LoRA's effect away."""
        with torch.no_grad():
            self.classifier.weight.copy_(start.weight)
            self.classifier.bias.copy_(start.bias)
            for name, value in self.named_parameters():
                if "lora_B" in name:
                    value.zero_()

    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        """Takes the values of a package; without LoRA's the tower stays as it is."""
        lora = {name: value.float() for name, value in tensors.items() if "lora_" in name}
        if lora:
            set_peft_model_state_dict(self.tower, lora)
        with torch.no_grad():
            for name, value in self.classifier.named_parameters():
                value.copy_(tensors[f"{_PREFIX}classifier.{name}"])

    def trained(self) -> dict[str, nn.Parameter]:
        """What learns."""
        return {name: p for name, p in self.named_parameters() if p.requires_grad}

    def head(self) -> dict[str, torch.Tensor]:
        """The head's tensors, in fp16, by PEFT's names."""
        own = self.classifier.named_parameters()
        return {f"{_PREFIX}classifier.{name}": value.detach().half() for name, value in own}

    def tensors(self) -> dict[str, torch.Tensor]:
        """LoRA and head."""
        learned = get_peft_model_state_dict(self.tower)
        return {name: value.half() for name, value in learned.items()} | self.head()


def batches(modality: Modality, given: Inputs) -> Iterator[torch.Tensor]:
    """As the engine prepares them."""
    for values, extent in zip(torch.split(given.values, _BATCH), torch.split(given.extent, _BATCH), strict=True):
        yield modality.prepared(values, extent)


def embeddings(adapted: Adapted, modality: Modality, given: Inputs) -> torch.Tensor:
    """`[N, dim]`."""
    with torch.inference_mode():
        return torch.cat([adapted.embedding(x) for x in batches(modality, given)])


def logits(adapted: Adapted, modality: Modality, given: Inputs) -> torch.Tensor:
    """`[N, labels]`."""
    with torch.inference_mode():
        return torch.cat([adapted(x) for x in batches(modality, given)])


def config_of(adapted: Adapted, model: str, lora: bool) -> dict[str, Any]:
    """PEFT's `adapter_config.json`; of a head alone it names no module."""
    written: dict[str, Any] = adapted.config.to_dict()  # type: ignore[no-untyped-call]
    described = {key: value for key, value in written.items() if value is not None}
    targets = sorted(adapted.config.target_modules or []) if lora else []
    return described | {"target_modules": targets, "base_model_name_or_path": model, "inference_mode": True}
