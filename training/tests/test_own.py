"""Models of one task each: what each kind learns from a few rows, and how they are chosen and kept."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch

from loam_train import __main__ as program
from loam_train import places
from loam_train.dense.heads import KINDS
from loam_train.dense.scenes import scene, sources
from loam_train.own import cli
from loam_train.own.candidate import Candidate, Pair, choose
from loam_train.own.edits import Edits
from loam_train.own.extract import Extract
from loam_train.own.nearest import Nearest
from loam_train.own.pictures import SIDE, Captioner, Told, Towers, Words
from loam_train.own.scenes import Unet, answers, prepared
from loam_train.own.sequence import Sequences
from loam_train.own.spans import ASK, Spans
from loam_train.own.tasks import TASKS, Made

COLOURS = {"red": (1.0, 0.0, 0.0), "green": (0.0, 1.0, 0.0), "blue": (0.0, 0.0, 1.0)}


def pairs(*rows: tuple[str, str]) -> list[Pair]:
    return [Pair(text, (output,)) for text, output in rows]


def test_the_nearest_text_answers() -> None:
    model = Nearest().learn(pairs(("open the file", "open()"), ("sort a list", "sort()")), 1, 1)
    assert model.answers(["please sort this list", "opening files"]) == ["sort()", "open()"]
    assert model.size > 0


def test_a_transformer_learns_a_cipher() -> None:
    dice, words = random.Random(1), ["one", "two", "three", "four", "five"]
    other = dict(zip(words, ["eins", "zwei", "drei", "vier", "fünf"], strict=True))
    texts = [[dice.choice(words) for _ in range(3)] for _ in range(120)]
    rows = pairs(*((" ".join(text), " ".join(other[word] for word in text)) for text in texts))
    model = Sequences().learn(rows, 25, 1)
    found = model.answers([row.text for row in rows[:20]])
    assert sum(text == row.outputs[0] for text, row in zip(found, rows, strict=False)) >= 12, found


def test_changes_that_were_seen_are_made_again() -> None:
    places = ("park", "house", "shop", "lake")
    rows = pairs(*[(f"he go to the {place} .", f"he goes to the {place} .") for place in places] * 5)
    model = Edits().learn(rows, 1, 1)
    assert model.answers(["he go to the castle ."]) == ["he goes to the castle ."]
    # A word that nobody knows becomes the nearest one that is known; what is known stays.
    assert model.answers(["he go to the huose ."]) == ["he goes to the house ."]


def test_spans_are_found_by_what_is_asked_for() -> None:
    names = ["Anna", "Bert", "Carl", "Dora", "Emil", "Fritz", "Gustav", "Hanna"]
    years = [1901 + 7 * at for at in range(8)]
    rows = []
    for name, year in zip(names, years, strict=True):
        text = f"{name} was born in {year}. The house of {name} is old.{ASK}"
        rows += [Pair(f"{text}When was {name} born?", (str(year),)), Pair(f"{text}Who was born?", (name,))]
    model = Spans().learn(rows, 1, 1)
    asked = f"Karla was born in 1850. The house of Karla is old.{ASK}"
    assert model.answers([asked + "When was Karla born?", asked + "Who was born?"]) == ["1850", "Karla"]


def test_turns_are_taken_out() -> None:
    rows = pairs(*(
        (f"#A#: Hello.\n#B#: I lost my {thing} in the train yesterday.\n#A#: Oh.", f"#B# lost a {thing} in the train.")
        for thing in ("bag", "hat", "book", "coat", "phone")
    ))  # fmt: skip
    found = Extract().learn(rows, 1, 1).answers(["#A#: Hi.\n#B#: I lost my umbrella in the train yesterday.\n#A#: No!"])
    assert "umbrella" in found[0]


def test_the_better_kind_is_chosen_on_rows_kept_back() -> None:
    class Silent(Nearest):
        name = "silent"

        def learn(self, rows, seconds, seed):  # type: ignore[no-untyped-def]
            return super().learn([Pair(row.text, ("-",)) for row in rows], seconds, seed)

    rows = pairs(*((f"number {at % 5}", f"answer {at % 5}") for at in range(40)))
    kinds: list[Candidate] = [Silent(), Nearest()]
    chosen = choose(kinds, rows, 1, 1)
    assert chosen.name == Nearest.name
    assert chosen.tried[Nearest.name] > 0.9 > chosen.tried["silent"]


def coloured(count: int) -> Told:
    names = [list(COLOURS)[at % 3] for at in range(count)]
    pictures = torch.stack([torch.tensor(COLOURS[name]).view(3, 1, 1).expand(3, SIDE, SIDE) for name in names])
    noise = torch.rand(pictures.shape, generator=torch.Generator().manual_seed(1))
    return Told(0.8 * pictures + 0.2 * noise, [(f"a {name} wall", f"the wall is {name}") for name in names])


def test_pictures_are_described_and_found() -> None:
    told = coloured(24)
    words = Words([text for texts in told.texts for text in texts])
    torch.manual_seed(1)
    captioner = Captioner(words)
    captioner.learn(told, words, 8, 1)
    found = captioner.captions(told.pictures[:3])
    assert all(name in text for name, text in zip(COLOURS, found, strict=True)), found
    towers = Towers(words)
    towers.learn(told, words, 8, 1)
    likeness = torch.tensor(towers.likeness(Told(told.pictures[:3], told.texts[:3])))
    assert likeness.shape == (3, 2, 3)
    assert likeness.argmax(-1).tolist() == [[0, 0], [1, 1], [2, 2]]


def test_scores_are_put_beside_those_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the benchmark is told, and what is kept of its answer, with a program in its place."""
    path = tmp_path / "baselines.json"
    path.write_text(json.dumps({"nlp/other": {"score": 1.0}}))
    asked = tmp_path / "asked"
    binary = tmp_path / "loam"
    scored = json.dumps({"metric": "GLEU", "score": 0.123456789})
    binary.write_text(f'#!/bin/sh\necho "$@" > {asked}\ncat "$9" >> {asked}\nshift; echo \'{scored}\'\n')
    binary.chmod(0o700)
    task = TASKS["correct"]
    made = Made("changes of words", 100, [("line 1", {"text": "It is."})])
    monkeypatch.setitem(TASKS, "correct", type(task)(task.id, task.set, lambda *_: made))
    monkeypatch.setattr("sys.argv", ["loam_train", "own", "correct", "--out", str(path), "--loam", str(binary)])
    assert program.main() == 0
    kept = json.loads(path.read_text())
    assert kept["nlp/other"] == {"score": 1.0}
    assert kept["nlp/jfleg"] == {"model": "changes of words", "metric": "GLEU", "score": 0.12346, "bytes": 100}
    assert "--task T10 --stand-in nlp/jfleg" in asked.read_text()
    monkeypatch.setattr("sys.argv", ["loam_train", "own", "nothing"])
    assert program.main() == 2


def test_tasks_are_those_of_published_sets() -> None:
    assert all(task.key.startswith(task.set) for task in TASKS.values())
    assert len({task.key for task in TASKS.values()}) == len(TASKS)
    assert cli.BASELINES.name == "baselines.json"


def test_a_u_net_learns_scenes_and_answers_as_run_files_have_it() -> None:
    if not places.SETS.is_dir():
        pytest.skip("no sets: ../shared/data is not there")
    kind = KINDS["crowd"]
    given = sources(places.SETS, "train")
    made = [scene(kind.scenes, given, number) for number in range(48)]
    torch.manual_seed(1)
    model = Unet(kind)
    pictures = prepared([one.picture for one in made])
    before = float(kind.loss(model.eval().planes(pictures), made))
    model.learn(made, 15, 1)
    assert float(kind.loss(model.planes(pictures), made)) < 0.7 * before
    found = answers(kind, model.planes(pictures[:2]), ["a", "b"])
    assert [row for row, _ in found] == ["a", "b"] and all(one["number"] >= 0 for _, one in found)


@pytest.mark.parametrize(("name", "gives"), [("things", "boxes"), ("scene", "classes"), ("portrait", "opacity")])
def test_planes_become_what_is_scored(name: str, gives: str) -> None:
    kind = KINDS[name]
    planes = torch.zeros(1, kind.planes, 32, 32)
    planes[0, 0, 10, 20] = 4.0
    if name == "things":
        planes[:, :2] -= 8.0
    (row, found), *_ = answers(kind, planes, ["7"])
    assert row == "7" and list(found) == [gives]
    values = found[gives]
    if name == "things":
        (box,) = [one for one in values if one["score"] > 0.01]
        assert (box["image"], box["category"]) == (7, 1)
        # A place is four pixels wide, and softplus of zero is ln 2 of it away from each side.
        assert box["bounds"] == pytest.approx([4 * 20.5 - 2.77, 4 * 10.5 - 2.77, 5.55, 5.55], abs=0.01)
    else:
        assert len(values) == 128 * 128
        # The ground is the set's third class; a mask that knows nothing is half.
        assert values[0] == (3 if name == "scene" else 0.5)
