"""The whole command on a backbone of a few thousand weights: from rows to a package, without a setting."""

from __future__ import annotations

import json
import random
from functools import partial
from pathlib import Path

import pytest
import tiny_language
import torch

from loam_train.adapter import cli, heads, package, states
from loam_train.adapter import foundation as foundations
from loam_train.adapter import language as languages
from loam_train.adapter.baseline import WordsAndLetters
from loam_train.errors import InputError

FRUIT, TOOLS = ["apple", "pear", "plum", "cherry"], ["hammer", "saw", "drill", "chisel"]


def sentences(count: int) -> list[tuple[str, str]]:
    dice = random.Random(3)
    made = []
    for number in range(count):
        label, words = ("fruit", FRUIT) if number % 2 else ("tool", TOOLS)
        made.append((f"{dice.choice(words)} number {number} with a {dice.choice(words)}", label))
    return made


@pytest.fixture(scope="module")
def foundation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A foundation of the tiny backbone alone."""
    folder = tmp_path_factory.mktemp("foundation")
    component = tiny_language.write(folder, [text for text, _ in sentences(80)])
    (folder / "foundation.json").write_text(json.dumps({"schema": 1, "id": "tiny", "components": [component]}))
    return folder


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOAM_TRAINING_CACHE", str(tmp_path / "work"))
    return tmp_path / "work"


run = partial(tiny_language.adapt, "backbone")


def table(path: Path, rows: list[tuple[str, str]], header: str = "text,label") -> Path:
    path.write_text(header + "\n" + "".join(f'"{text}","{target}"\n' for text, target in rows))
    return path


def test_easy_rows_become_a_head_alone(tmp_path: Path, foundation: Path) -> None:
    out = tmp_path / "things.safetensors"
    assert run(foundation, table(tmp_path / "things.csv", sentences(40)), "--out", out) == 0
    tensors, config, task = package.read(out)
    assert sorted(tensors) == ["base_model.model.classifier.bias", "base_model.model.classifier.weight"]
    assert config["target_modules"] == []
    assert task["metrics"]["lora"] == 0.0
    assert task["metrics"]["accuracy"] == task["metrics"]["frozen_accuracy"]


@pytest.mark.parametrize(
    ("gained", "lost", "draws", "expected"),
    [
        (0, 0, 1, False),
        (1, 0, 1, False),
        (2, 0, 1, True),
        (5, 4, 1, False),
        (9, 2, 1, True),
        (2, 9, 1, False),
        (2, 0, 2, False),
    ],
)
def test_better_is_more_than_chance(gained: int, lost: int, draws: int, expected: bool) -> None:
    before = torch.tensor([False] * gained + [True] * (lost + 10))
    after = torch.tensor([True] * gained + [False] * lost + [True] * 10)
    assert heads.better(before, after, draws) is expected


def test_an_adapter_surpasses_by_rows_and_by_likelihood() -> None:
    chance = torch.Generator().manual_seed(1)
    targets = torch.randint(0, 3, (200,), generator=chance)
    weak = torch.randn(200, 3, generator=chance)
    weak[torch.arange(200), targets] += 1.0
    strong = weak.clone()
    strong[torch.arange(200), targets] += 1.0
    assert heads.surpasses(strong, weak, targets)
    assert not heads.surpasses(weak, strong, targets)
    # Surer of the same classes is not better, and one more row that is right may be chance.
    assert not heads.surpasses(3 * weak, weak, targets)
    lucky = weak + 0.5 * torch.randn(200, 3, generator=chance)
    wrong = int((lucky.argmax(1) != targets).nonzero()[0])
    lucky[wrong, targets[wrong]] = 9.0
    assert not heads.surpasses(lucky, weak, targets)


def test_forty_rows_of_a_spreadsheet_become_a_classifier(
    tmp_path: Path, foundation: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The head alone tells them apart; here is about what LoRA leaves in the file where it is kept.
    monkeypatch.setattr(heads, "surpasses", lambda after, before, targets: True)
    out = tmp_path / "things.safetensors"
    assert run(foundation, table(tmp_path / "things.csv", sentences(40)), "--out", out, "--licence", "CC0") == 0
    tensors, config, task = package.read(out)
    assert (task["name"], task["task"], task["path"], task["component"]) == (
        "things",
        "classify",
        "backbone",
        "backbone",
    )
    assert task["labels"] == ["fruit", "tool"]
    assert task["licence"] == "CC0"
    assert task["base"]["backbone"] == foundations.component(foundation, "backbone").fingerprint
    assert task["metrics"]["accuracy"] > 0.8
    assert {"tfidf_accuracy", "frozen_accuracy", "majority_accuracy", "parameter_share"} <= task["metrics"].keys()
    exit_block = task["head"]["layers"]
    assert task["head"] == {"kind": "linear", "reads": "mean-state", "layers": exit_block}
    assert tensors["base_model.model.classifier.weight"].shape == (2, 32)
    assert all(value.dtype == torch.float16 for value in tensors.values())
    blocks = {int(name.split(".layers.")[1].split(".")[0]) for name in tensors if ".layers." in name}
    assert sorted(blocks) == config["layers_to_transform"]
    assert max(blocks) == exit_block - 1
    assert (work / "curves" / "things.png").exists()
    # What is finished is not gone on with: a second call trains anew, and makes the same file.
    assert not list((work / "checkpoints" / "adapters").glob("*"))
    assert run(foundation, tmp_path / "things.csv", "--out", out, "--licence", "CC0") == 0
    again, same_config, same_task = package.read(out)
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[name], value) for name, value in tensors.items())
    for told in (task, same_task):
        assert told["metrics"].pop("seconds") > 0
    assert (same_config, same_task) == (config, task)


def test_rows_with_an_output_become_a_writer(tmp_path: Path, foundation: Path) -> None:
    rows = [(text, f"{text.split()[0]} it is") for text, _ in sentences(40)]
    data = table(tmp_path / "echo.csv", rows, header="text,output")
    out = tmp_path / "echo.safetensors"
    assert run(foundation, data, "--out", out) == 0
    tensors, config, task = package.read(out)
    assert task["task"] == "generate"
    assert "labels" not in task
    assert config["target_modules"] == ["q_proj", "v_proj"]
    assert "layers_to_transform" not in config
    assert len(tensors) == 4 * 2 * 2
    assert task["metrics"]["loss"] < task["metrics"]["base_loss"]
    assert {"chrf", "base_chrf", "retrieval_chrf", "exact"} <= task["metrics"].keys()


def test_a_writer_reaches_as_far_as_asked_and_goes_on_from_a_package(
    tmp_path: Path, foundation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(text, f"It is a {label}.") for text, label in sentences(24)]
    data = table(tmp_path / "told.csv", rows, "text,output")
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    wide = ("--rank", "4", "--reach", "linears", "--batch", "8", "--passes", "2", "--rate", "0.004")
    assert run(foundation, data, "--out", first, *wide) == 0
    tensors, config, task = package.read(first)
    assert (config["r"], len(config["target_modules"]), len(tensors)) == (4, 7, 4 * 7 * 2)
    assert task["metrics"]["steps"] <= 2 * 3
    assert run(foundation, data, "--out", second, *wide, "--begin", first) == 0
    assert package.read(second)[2]["metrics"]["valid_loss"] < task["metrics"]["valid_loss"]
    with pytest.raises(InputError, match="not those of this rank and reach"):
        run(foundation, data, "--out", tmp_path / "c.safetensors", "--begin", first)
    with pytest.raises(SystemExit):
        run(foundation, data, "--device", "none")
    assert "'none'" in capsys.readouterr().err


def test_an_answer_ends_where_the_chat_template_ends_it(foundation: Path) -> None:
    model = languages.load(foundations.component(foundation, "backbone"))
    ends = model.tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert model.end == ends
    # As some readers of GGUF files have it.
    other = languages.load(foundations.component(foundation, "backbone"))
    other.tokenizer.eos_token = "<|im_start|>"
    assert other.end == ends != other.tokenizer.eos_token_id


def test_a_changed_package_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    package.write(path, {"a": torch.ones(2, dtype=torch.float16)}, {"r": 1}, {"schema": 1})
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"\x00")
    with pytest.raises(InputError, match="its tensors have the digest"):
        package.read(path)
    path.write_bytes(b"none")
    with pytest.raises(InputError):
        package.read(path)


def test_cached_states_are_those_of_the_whole_model(foundation: Path) -> None:
    """Padding, caching and stopping early change nothing that a head reads."""
    model = languages.load(foundations.component(foundation, "backbone"))
    ids = model.encode(["a plum", "a hammer and a saw and a drill"], 512)
    pooled = states.pooled(model, ids, [2, 4], "pooled")
    for row, tokens in enumerate(ids):
        hidden = model.model(torch.tensor([tokens]), output_hidden_states=True).hidden_states
        middle = model.model.model.norm(hidden[2])[0].mean(0)
        assert torch.allclose(pooled[row, 0], middle, atol=1e-5)
        # The last of transformers' hidden states is normed already.
        assert torch.allclose(pooled[row, 1], hidden[4][0].mean(0), atol=1e-5)
    held = states.cached(model, ids, 2, "cached")
    later = states.continued(model, held, range(2, 4), [0, 1])
    assert torch.allclose(later, pooled[:, 1], atol=0.05)


@pytest.mark.parametrize(
    ("rows", "header", "reason"),
    [
        ([("a", "x")] * 3, "text,label", "expected at least 10"),
        ([(f"text {i}", "x") for i in range(40)], "text,label", "one class only"),
        ([(f"text {i}", "x") for i in range(40)], "text,colour", "column 'colour' is unknown"),
    ],
)
def test_data_that_cannot_be_used_is_said(
    tmp_path: Path, foundation: Path, rows: list[tuple[str, str]], header: str, reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        run(foundation, table(tmp_path / "a.csv", rows, header))


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("good.csv", r"its name ends in '.csv', expected '.safetensors'"),
        ("good.csv/x.safetensors", "nothing can be written there"),
    ],
)
def test_where_the_package_cannot_go_is_said_first(tmp_path: Path, foundation: Path, out: str, reason: str) -> None:
    data = table(tmp_path / "good.csv", sentences(40))
    before = data.read_bytes()
    with pytest.raises(InputError, match=reason):
        run(foundation, data, "--out", tmp_path / out)
    assert data.read_bytes() == before


def test_words_that_never_meet_are_told_by_letters() -> None:
    texts = [letter * 3 for letter in "abcdefghijklmnopqrstuvwx"]
    words = WordsAndLetters(texts * 2, list(range(24)) * 2, texts, list(range(24)))
    assert words.predict(texts) == list(range(24))
    assert WordsAndLetters(texts, list(range(24)), texts, list(range(24))).predict(["aaa"]) == [0]


def test_rows_of_one_class_alone_give_a_head_all_the_same() -> None:
    head = heads.fit(torch.randn(8, 4), torch.full((8,), 2), 3, 0.03)
    assert head(torch.randn(5, 4)).argmax(1).tolist() == [2] * 5


def test_a_foundation_that_is_not_there_is_said(tmp_path: Path, foundation: Path) -> None:
    data = table(tmp_path / "a.csv", sentences(40))
    with pytest.raises(InputError, match="loam pull"):
        run(tmp_path / "nowhere", data)
    with pytest.raises(InputError, match="there is no component 'text', there are backbone"):
        foundations.component(foundation, "text")


def test_a_package_is_handed_to_the_engine_and_its_refusal_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loam = tmp_path / "loam"
    loam.write_text('#!/bin/sh\n[ "$1 $2 $4" = "adapter install --replace" ] || exit 2\necho "installed $3"\n')
    loam.chmod(0o755)
    cli.install(str(loam), Path("a.safetensors"))
    assert capsys.readouterr().out == "installed a.safetensors\n"
    loam.write_text("#!/bin/sh\necho 'another base' >&2\nexit 5\n")
    with pytest.raises(InputError, match=r"a.safetensors: .*loam refused it: another base"):
        cli.install(str(loam), Path("a.safetensors"))
    with pytest.raises(InputError, match="--install says where the loam command is"):
        cli.install(str(tmp_path / "nowhere"), Path("a.safetensors"))
