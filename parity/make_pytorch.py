"""Writes the goldens of PyTorch checkpoints: the same tensors as `torch.save` and as safetensors keep them.

`models/vit-tiny-bin` and `models/bert-tiny-bin` are the weights of `models/vit-tiny` and `models/bert-tiny` as
`pytorch_model.bin`, the second one in two shards. `pytorch/odd.pth` has what state dicts may have: views with odd
strides, shared storages, parameters, every type, beside other objects; `odd.safetensors` holds the same values row by
row, F64 as F32. `odd-4.pth` is the same by pickle protocol 4. `refuse-*` must be refused.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

import paths
from make_models import fresh
from tiny import seeded

FOLDER: Path = paths.FIXTURES / "pytorch"


def write_models() -> None:
    for name in ("vit-tiny", "bert-tiny"):
        source, folder = paths.MODELS / name, fresh(paths.MODELS / f"{name}-bin")
        shutil.copy(source / "config.json", folder)
        tensors = OrderedDict(load_file(source / "model.safetensors"))
        if name == "vit-tiny":
            torch.save(tensors, folder / "pytorch_model.bin")
            continue
        names = list(tensors)
        shards = [names[: len(names) // 2], names[len(names) // 2 :]]
        index = {"metadata": {"total_size": sum(t.nbytes for t in tensors.values())}, "weight_map": {}}
        for number, shard in enumerate(shards, 1):
            file = f"pytorch_model-{number:05}-of-{len(shards):05}.bin"
            torch.save({name: tensors[name] for name in shard}, folder / file)
            index["weight_map"] |= {name: file for name in shard}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=1, sort_keys=True) + "\n")


def odd() -> OrderedDict[str, torch.Tensor]:
    """Tensors that lie in their storages in every way there is."""
    base = torch.randn(6, 8, generator=seeded("pytorch"))
    cube = torch.randn(2, 3, 4, generator=seeded("pytorch/cube"))
    return OrderedDict(
        plain=base,
        shared=base,
        transposed=base.t(),
        rows=base[2:5],
        columns=base[:, 3:7],
        every_second=base[::2, 1::3],
        column=base[:, 2],
        permuted=cube.permute(2, 0, 1),
        narrow=cube[:, 1:2, :],
        half=base.half(),
        half_transposed=base.half().t(),
        bfloat=base.bfloat16(),
        double=base.double(),
        double_transposed=base.double().t(),
        parameter=torch.nn.Parameter(base[1:3]),
        scalar=torch.tensor(2.5),
        empty=torch.zeros(0, 3),
        one=torch.randn(1, 1, 5, generator=seeded("pytorch/one")),
        position_ids=torch.arange(6),
        mask=torch.tensor([True, False]),
    )


def main() -> None:
    write_models()
    fresh(FOLDER)
    tensors = odd()
    tensors._metadata = OrderedDict({"": {"version": 1}})
    checkpoint = {"epoch": 3, "loss": 0.25, "names": ["a", {1, 2}], "state_dict": tensors, "shape": torch.Size([2])}
    torch.save(checkpoint, FOLDER / "odd.pth")
    torch.save(checkpoint, FOLDER / "odd-4.pth", pickle_protocol=4)
    floats = {name: t.detach().contiguous().clone() for name, t in tensors.items() if t.is_floating_point()}
    floats |= {name: t.float() for name, t in floats.items() if t.dtype == torch.float64}
    save_file(floats, FOLDER / "odd.safetensors")

    small = {"w": torch.arange(4.0)}
    torch.save(small, FOLDER / "refuse-legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({"w": torch.ones(1).expand(4)}, FOLDER / "refuse-expanded.pth")
    torch.save({"w": torch.ones(4, dtype=torch.uint16)}, FOLDER / "refuse-untyped.pth")
    torch.save({"epoch": 3}, FOLDER / "refuse-nothing.pth")
    torch.save(torch.nn.Linear(2, 2), FOLDER / "refuse-module.pth")
    torch.save(small, FOLDER / "stored.pth")
    with zipfile.ZipFile(FOLDER / "stored.pth") as stored:
        with zipfile.ZipFile(FOLDER / "refuse-compressed.pth", "w", zipfile.ZIP_DEFLATED) as packed:
            for name in stored.namelist():
                packed.writestr(zipfile.ZipInfo(name), stored.read(name), zipfile.ZIP_DEFLATED)
    (FOLDER / "stored.pth").unlink()
    for path in sorted(FOLDER.iterdir()):
        print(f"{path.name:24} {path.stat().st_size:6} bytes")


if __name__ == "__main__":
    main()
