"""The snippets of README.md, run as they stand there."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest
from place import NANO, README, SCENARIOS, TINY, TRAINED

TEXT = README.read_text(encoding="utf-8")
CHAPTERS = [chapter for chapter in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:] if "```python" in chapter]
BLOCK = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the snippets name."""
    links = {
        "foundations/loam-nano": NANO,
        "foundations/phone": TINY,
        "models/adapters": TRAINED,
        "adapters": SCENARIOS / "adapters",
        "photo.png": SCENARIOS / "square.png",
        "dog.png": SCENARIOS / "tall.png",
        "garden.png": SCENARIOS / "wide.png",
        "memo.wav": SCENARIOS / "speech.wav",
        "walk.f32": SCENARIOS / "walk.f32",
    }
    for name, target in links.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(target)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder", "silent_log")
@pytest.mark.parametrize("chapter", CHAPTERS, ids=[chapter.partition("\n")[0] for chapter in CHAPTERS])
def test_the_snippets_of_a_chapter_run_and_print_what_it_says(chapter: str) -> None:
    if "loam-nano" in chapter and not NANO.exists():
        pytest.skip("run `loam pull loam-nano` first")
    variables: dict[str, Any] = {"__name__": "__main__"}
    for code, expected in BLOCK.findall(chapter):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, str(README), "exec"), variables)
        if expected:
            assert printed.getvalue() == expected, code


def test_every_task_has_a_snippet_and_the_first_answer_is_short() -> None:
    code = "\n".join(block for chapter in CHAPTERS for block, _ in BLOCK.findall(chapter))
    for call in (".classify(", ".embed(", ".query(", ".transcribe(", ".sensor(", ".respond(", ".stop()", ".install_adapter("):
        assert call in code, call
    for name in ("loam.LoamError", "loam.log_to", "async for", "loam.Index()", ".speak(", ".upscale(", ".transcriber("):
        assert name in code, name
    first = BLOCK.search(CHAPTERS[0])
    assert first is not None and len(first[1].splitlines()) <= 20
