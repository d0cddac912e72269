"""The projector in torch, and its directory as the engine reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn
from torch.nn.functional import gelu

from ..errors import InputError


class Projector(nn.Module):
    """Two linears from an embedding of unit length to soft tokens."""

    def __init__(self, inputs: int, inner: int, outputs: int, tokens: int) -> None:
        super().__init__()
        self.inputs, self.inner, self.outputs, self.tokens = inputs, inner, outputs, tokens
        self.fc1 = nn.Linear(inputs, inner)
        self.fc2 = nn.Linear(inner, tokens * outputs)

    def start_near(self, embeddings: torch.Tensor) -> None:
        """Makes first soft tokens as large as the backbone's own, `[vocabulary, outputs]`: it knows no others."""
        with torch.no_grad():
            x = nn.functional.normalize(torch.randn(64, self.inputs), dim=-1)
            wanted, found = embeddings.float().std(), self(x).std()
            self.fc2.weight.mul_(wanted / found)
            self.fc2.bias.mul_(wanted / found)

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        """`[B, tokens, outputs]` of unit vectors `[B, inputs]`."""
        soft: torch.Tensor = self.fc2(gelu(self.fc1(embedding)))
        return soft.reshape(-1, self.tokens, self.outputs)

    def config(self) -> dict[str, Any]:
        """The engine's `config.json`."""
        return {
            "model_type": "loam-projector",
            "kind": "mlp",
            "source": "embedding",
            "inputs": self.inputs,
            "inner": self.inner,
            "tokens": self.tokens,
            "outputs": self.outputs,
            "activation": "gelu",
        }


def write(folder: Path, projector: Projector, record: dict[str, Any]) -> None:
    """Writes the directory; matrices are fp16."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = {name: (t.half() if t.ndim > 1 else t.float()).contiguous() for name, t in projector.state_dict().items()}
    (folder / "model.safetensors").write_bytes(save(stored))
    for name, content in (("config.json", projector.config()), ("training.json", record)):
        (folder / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read(folder: Path) -> Projector:
    """A directory that `write` made, as stored.

    Raises:
        InputError: for a file that is missing or does not fit.
    """
    path = folder / "config.json"
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if (told["model_type"], told["kind"], told["source"]) != ("loam-projector", "mlp", "embedding"):
            raise InputError(path, "adapters are trained on projectors of kind mlp that read an embedding")
        projector = Projector(told["inputs"], told["inner"], told["outputs"], told["tokens"])
        tensors = load_file(folder / "model.safetensors")
        projector.load_state_dict({name: value.float() for name, value in tensors.items()})
    except OSError as error:
        raise InputError(folder, f"no projector can be read from it: {error.strerror or error}") from error
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise InputError(path, f"not a projector's: {error}") from error
    except (SafetensorError, RuntimeError) as error:
        raise InputError(folder / "model.safetensors", str(error)) from error
    return projector.eval()
