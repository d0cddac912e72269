"""What was held out is not seen, and is scored with what is left."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny import Tiny, embed

from loam_train.__main__ import main
from loam_train.errors import InputError
from loam_train.towers import holdout


def test_a_whole_set_is_left_out(motion: Tiny) -> None:
    data = motion.load()
    run, left, held = holdout.without(motion.run, motion.config, data, "gravities", [])
    assert run.name == "imu-without-gravities"
    assert [source.name for source in run.sets] == [one.name for one in left] == ["metric"]
    assert held.classes == [0, 1]
    # "standing still" is a label of the other set as well, "shaking" is not.
    assert held.told == 1
    assert run.digest() != motion.run.digest()


def test_classes_leave_all_sets_that_say_them_alike(motion: Tiny) -> None:
    data = motion.load()
    before = [len(one.train) for one in data]
    run, left, held = holdout.without(motion.run, motion.config, data, "metric", ["still"])
    assert (held.classes, held.told) == ([0], 0)
    # Of "gravities" one class would stay, which has nothing to be told apart from.
    assert [one.name for one in left] == ["metric"]
    kept = left[0]
    assert kept.labels == ["waving slowly", "waving quickly"] == list(run.sets[0].labels.values())
    assert kept.groups is not None
    assert kept.groups.tolist() == [1, 1]
    assert len(kept.train) == 24
    for part, old in ((kept.train, data[0].train), (kept.test, data[0].test)):
        rows = old.classes != 0
        assert torch.equal(part.inputs, old.inputs[rows])
        assert torch.equal(part.extent, old.extent[rows])
        assert torch.equal(part.classes, old.classes[rows] - 1)
        assert len(part.raw) == len(part)
    assert [len(one.train) for one in data] == before
    other = holdout.without(motion.run, motion.config, data, "metric", ["slow"])[0]
    assert run.name != other.name


def test_sets_and_classes_that_are_not_there_are_named(motion: Tiny) -> None:
    data = motion.load()
    for name, classes, said in (
        ("watch", [], "it has no set 'watch'; known are metric, gravities"),
        ("metric", ["flying"], "set metric has no class 'flying'; known are still, slow, fast"),
        ("metric", ["still", "slow"], "nothing is left to train with, without still, slow"),
    ):
        with pytest.raises(InputError, match=f"imu.toml: {said}"):
            holdout.without(motion.run, motion.config, data, name, classes)


def test_a_set_without_its_only_rival_cannot_be_left_out(motion: Tiny) -> None:
    with pytest.raises(InputError, match="nothing is left to train with, without metric"):
        holdout.without(motion.run, motion.config, [motion.load()[0]], "metric", [])


def test_the_command_says_what_is_wrong(
    motion: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("loam")
    given = ["loam_train", "holdout", str(motion.config), "--data", str(motion.root)]
    monkeypatch.setattr("sys.argv", [*given, "--without", "watch"])
    assert main() == 2
    assert f"{motion.config}: it has no set 'watch'" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", [*given, "--without", "metric", "--minutes", "0"])
    with pytest.raises(SystemExit):
        main()
    assert "0, expected more than 0 and at most 1440" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "classes", "count", "of"),
    [("coloured", [], 3, 3), ("coloured", ["1"], 1, 3), ("asked", ["red circle", "blue triangle"], 2, 24)],
    ids=["set", "class", "all that a set has"],
)
def test_what_was_held_out_is_scored(
    pictures: Tiny, tmp_path: Path, name: str, classes: list[str], count: int, of: int
) -> None:
    modality, data = pictures.modality(), pictures.load()
    run, left, held = holdout.without(pictures.run, pictures.config, data, name, classes)
    record = holdout.train(run, pictures.config, modality, left, held, embed, tmp_path)
    found = record["held_out"]
    assert (found["set"], found["classes"], found["examples"], found["told"]) == (name, count, 6 * count, 0)
    assert found["chance"] == round(100 / count, 2)
    assert found["chance_all"] == round(100 / of, 2)
    # Among fewer labels nothing that was right becomes wrong.
    assert 0 <= found["among_all"] <= found["accuracy"] <= 100
    assert (name in record["sets"]) == (count == 1)
    assert (tmp_path / "towers" / run.name / "model.safetensors").exists()
