"""`upscaler`, `upscaled-set`, `style` and `styled-set` on the command line."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from .. import places
from ..arguments import at_least, minutes, positive
from ..data.example import Example
from ..data.files import picture
from . import run as runs
from .pictures import Pixels

STYLE = "stained-glass"
"""The style of what is drawn by default."""
_SEED, _SIDE = 11, 256
"""Of that painting."""


def add_commands(commands: Any) -> None:
    """Adds all to the subparsers of the program."""
    upscaler = commands.add_parser(
        "upscaler",
        help="train a generator that enlarges pictures",
        epilog="example: python -m loam_train upscaler training/configs/pixels/upscaler.toml",
    )
    upscaler.add_argument("config", type=Path, help="the run's TOML file")
    upscaler.add_argument("--threads", type=positive, default=1)
    upscaler.add_argument("--out", type=Path, help="the generator's directory; in the cache by default")
    upscaler.add_argument("--fresh", action="store_true", help="begin anew instead of continuing")
    upscaler.set_defaults(run=_upscaler)
    held = commands.add_parser(
        "upscaled-set",
        help="write the pictures that the upscaler never saw, as Set5 is published, for `loam bench run --data`",
        epilog="example: python -m loam_train upscaled-set pictures",
    )
    held.add_argument("out", type=Path, help="directory for `image_SRF_4`")
    held.add_argument("--scale", type=positive, default=4)
    held.set_defaults(run=_set, threads=1)
    style = commands.add_parser(
        "style",
        help="train an adapter of the upscaler that draws in the style of a painting",
        epilog="example: python -m loam_train style --name stained-glass --out stained-glass.safetensors",
    )
    style.add_argument("--name", default=STYLE, help=f"the adapter's name (default: {STYLE})")
    style.add_argument(
        "--painting", type=Path, help="a picture file; cells of coloured glass that are drawn by default"
    )
    style.add_argument("--out", type=Path, help="the package; NAME.safetensors by default")
    style.add_argument("--foundation", type=Path, default=places.foundation(), help="directory of the foundation")
    style.add_argument("--minutes", type=minutes(10_000), default=5.0, help="budget of computing (default: 5)")
    style.add_argument("--seed", type=at_least(0), default=7)
    style.add_argument("--threads", type=positive, default=1, help="of the processor (default: 1)")
    style.set_defaults(run=_style)
    styled = commands.add_parser(
        "styled-set",
        help="write the held-out pictures beside a painting, as WikiArt is published, for `loam bench run --data`",
        epilog="example: python -m loam_train styled-set styled",
    )
    styled.add_argument("out", type=Path, help="directory for `Style`, `wikiart` and `content`")
    styled.add_argument("--name", default=STYLE, help=f"the style's name (default: {STYLE})")
    styled.add_argument(
        "--painting", type=Path, help="a picture file; cells of coloured glass that are drawn by default"
    )
    styled.set_defaults(run=_styled, threads=1)


def _upscaler(chosen: argparse.Namespace) -> int:
    from . import train as training

    run, work = runs.read(chosen.config), places.cache()
    checkpoint = work / "checkpoints" / f"{run.name}.pt"
    if chosen.fresh:
        checkpoint.unlink(missing_ok=True)
    record = training.train(run, checkpoint, chosen.out or work / "generators" / run.name)
    print(json.dumps(record, indent=1))
    return 0


def _set(chosen: argparse.Namespace) -> int:
    from .pictures import write_set

    print(f"{chosen.out}: {', '.join(write_set(chosen.out, chosen.scale))}")
    return 0


def _painting(path: Path | None) -> Pixels:
    from .style import stained_glass

    return stained_glass(_SEED, _SIDE) if path is None else picture(Example("painting", file=path))


def _style(chosen: argparse.Namespace) -> int:
    from ..adapter import foundation
    from ..adapter.cli import check_out, cleaned
    from .style import Style, train

    base = foundation.of_kind(chosen.foundation, "super-resolution")
    name = cleaned(chosen.name)
    checkpoint = places.cache() / "checkpoints" / f"style-{name}.pt"
    out = chosen.out or Path(f"{name}.safetensors")
    check_out(out, name)
    source = chosen.painting or Path("the drawn painting")
    asked = Style(name, _painting(chosen.painting), source, base, chosen.minutes, chosen.seed, checkpoint)
    print(json.dumps(train(asked, out), indent=1))
    print(f"loam adapter install {out}")
    return 0


def _styled(chosen: argparse.Namespace) -> int:
    from ..adapter.cli import cleaned
    from .style import write_set

    written = write_set(chosen.out, _painting(chosen.painting), cleaned(chosen.name))
    print(f"{chosen.out}: {', '.join(written)}")
    return 0
