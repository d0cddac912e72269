"""Tags of words: their form, what is learned on a small text encoder, and that the engine says the same."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_language
import torch

from loam_train import places
from loam_train.adapter import foundation as foundations
from loam_train.adapter import package, sentence, tagging
from loam_train.data import cli as sets
from loam_train.data import open_data, spans
from loam_train.errors import InputError

LOAM = os.environ.get("LOAM", "loam")
NAMES, TIMES = ["ada", "bob", "carl"], ["noon", "night"]
CASES = places.ROOT / "bench" / "eai" / "tests" / "cases" / "spans.json"
SHIPPED = {"frames": "slurp_frames", "slots": "snips_slots"}
ROWS = 60


@pytest.fixture(scope="module")
def foundation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foundation")
    component = tiny_language.write_encoder(folder, ["call", "wake", "at", "of", "house", *NAMES, *TIMES])
    (folder / "foundation.json").write_text(json.dumps({"schema": 1, "id": "tiny", "components": [component]}))
    return folder


def row(dice: random.Random, number: int) -> dict[str, object]:
    name, time = dice.choice(NAMES), dice.choice(TIMES)
    if dice.random() < 0.5:
        tokens, tags = ["call", name, "of", "house", str(number)], ["O", "B-who", "I-who", "I-who", "I-who"]
        return {"tokens": tokens, "tags": tags, "label": "call"}
    tokens, tags = ["wake", name, "at", time, str(number)], ["O", "B-who", "O", "B-when", "O"]
    return {"tokens": tokens, "tags": tags, "label": "wake"}


@pytest.fixture
def listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOAM_TRAINING_CACHE", str(tmp_path / "work"))
    dice, path = random.Random(3), tmp_path / "calls.jsonl"
    path.write_text("".join(json.dumps(row(dice, number)) + "\n" for number in range(200)))
    return path


run = partial(tiny_language.adapt, "text")


def test_rows_become_a_tagger(foundation: Path, listing: Path, tmp_path: Path) -> None:
    out = tmp_path / "calls.safetensors"
    assert run(foundation, listing, "--out", out) == 0
    tensors, _, task = package.read(out)
    assert (task["task"], task["path"], task["component"]) == ("tag", "encoder", "text")
    assert task["labels"] == ["O", "B-when", "B-who", "I-who"]
    assert task["head"] == {"kind": "tags", "sentence": ["call", "wake"]}
    assert task["base"]["text"] == foundations.component(foundation, "text").fingerprint
    assert tensors["base_model.model.classifier.weight"].shape == (6, 32)
    assert task["metrics"]["span_f1"] > 0.9 and task["metrics"]["accuracy"] > 0.9
    # What lies in the package says the same as what was scored.
    encoder = sentence.open_encoder(foundations.component(foundation, "text"))
    tagger = tagging.Tagger(encoder, tagging.Names(task["labels"], task["head"]["sentence"]), 0)
    tagger.load(tensors)
    given = tagging.read(open_data(listing).split("test").examples, encoder)
    tags, labels = tagger.predict(given, "")
    assert spans.f1(tags, [one.tags for one in given.rows]) == pytest.approx(task["metrics"]["span_f1"], abs=1e-3)
    assert np.mean([a == b.label for a, b in zip(labels, given.rows, strict=True)]) == pytest.approx(
        task["metrics"]["accuracy"], abs=1e-3
    )


def test_words_without_labels_are_tagged_alone(foundation: Path, listing: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in listing.read_text().splitlines()]
    listing.write_text("".join(json.dumps({k: v for k, v in one.items() if k != "label"}) + "\n" for one in rows))
    out = tmp_path / "calls.safetensors"
    assert run(foundation, listing, "--out", out) == 0
    tensors, _, task = package.read(out)
    assert task["head"] == {"kind": "tags"} and tensors["base_model.model.classifier.bias"].shape == (4,)


def test_a_word_has_the_state_of_its_first_token_without_punctuation(foundation: Path) -> None:
    starts = [(1, 0), (2, 1), (3, 4), (5, 6), (6, 9)]
    # "(ab) c ... de": tokens at 0, 1, 4, 6, 9 of it.
    assert tagging._firsts(["(ab)", "c", "...", "de"], [(1, 0), (2, 1), (3, 5), (4, 7), (5, 11)]) == [2, 3, 4, 5]
    assert tagging._firsts(["zz", "c"], starts[:1]) == [1, -1]


def in_our_form() -> list[dict[str, Any]]:
    """Cases without the tags of IOBES."""
    cases = json.loads(CASES.read_text())
    return [case for case in cases if all(spans.is_tag(tag) for row in [*case["found"], *case["right"]] for tag in row)]


@pytest.mark.parametrize("case", in_our_form())
def test_f1_is_that_of_seqeval(case: dict[str, Any]) -> None:
    assert spans.f1(case["found"], case["right"]) == pytest.approx(case["expected"]["micro"][2], abs=1e-9)


def test_the_best_path_is_that_of_a_search_through_all() -> None:
    tags = ["O", "B-a", "I-a", "B-b", "I-b"]
    allowed, noise = spans.follows(tags), np.random.default_rng(5)
    for _ in range(20):
        scores = noise.normal(size=(4, 5))
        paths = [
            path for path in itertools.product(range(5), repeat=4)
            if all(allowed[before][tag] for before, tag in zip((5, *path), path, strict=False))
        ]  # fmt: skip
        best = max(paths, key=lambda path: sum(scores[at, tag] for at, tag in enumerate(path)))
        assert spans.best(scores, allowed) == list(best)
    assert spans.best(np.zeros((0, 5)), allowed) == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"tokens": ["a", "b"], "tags": ["O"]}, "1 tags for 2 tokens"),
        ({"tokens": ["a b"], "tags": ["O"]}, "white space"),
        ({"tokens": ["a"], "tags": ["X-b"]}, "expected O, B-NAME or I-NAME"),
        ({"tokens": ["a"], "tags": ["B-"]}, "expected O, B-NAME or I-NAME"),
        ({"tokens": ["a"]}, "tags is None"),
        ({"tokens": "a", "tags": ["O"]}, "tokens is 'a'"),
        ({"tokens": ["a"], "tags": ["O"], "output": "b"}, "beside 'tokens' and 'tags'"),
    ],
)
def test_rows_that_make_no_sense_are_refused(fields: dict[str, object], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(fields) + "\n")
    with pytest.raises(InputError, match=reason):
        open_data(path)


def test_some_rows_with_tags_are_not_enough(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"tokens": ["a"], "tags": ["O"], "label": "x"}\n' + '{"text": "b", "label": "x"}\n' * 9)
    with pytest.raises(InputError, match="some rows have tags"):
        open_data(path)


@pytest.mark.skipif(shutil.which(LOAM) is None, reason="no loam command")
@pytest.mark.skipif(not (places.foundation() / "foundation.json").exists(), reason="no installed foundation")
@pytest.mark.skipif(not places.SETS.exists(), reason="no data sets")
@pytest.mark.parametrize("name", SHIPPED)
def test_torch_and_the_engine_tag_alike(name: str, tmp_path: Path) -> None:
    adapter, folder = places.ROOT / "models" / "adapters" / f"{name}.safetensors", tmp_path / name
    sets.SETS[SHIPPED[name]].write(name, places.SETS, folder)
    tensors, _, task = package.read(adapter)
    encoder = sentence.open_encoder(foundations.component(places.foundation(), "text"))
    tagger = tagging.Tagger(encoder, tagging.Names(task["labels"], task["head"]["sentence"]), 0)
    tagger.load(tensors)
    given = tagging.read(open_data(folder).split("test").examples[:ROWS], encoder)
    with torch.inference_mode():
        tags, labels = tagger.predict(given, "torch")
    texts = "".join(" ".join(row.tokens) + "\n" for row in given.rows)
    command = [LOAM, "tag", "--model", str(places.foundation()), "--adapter", str(adapter), "--json"]
    done = subprocess.run(command, input=texts, capture_output=True, text=True, check=True)
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["labels"][0]["label"] for one in said] == labels
    for one, row, own in zip(said, given.rows, tags, strict=True):
        text = " ".join(row.tokens)
        wanted = {(part, " ".join(row.tokens[begin:end])) for part, begin, end in spans.of(own)}
        found = {(span["label"], text[span["start_char"] : span["end_char"]]) for span in one["spans"]}
        # Both sides leave out punctuation around words.
        assert {(part, words.strip(tagging.AROUND)) for part, words in wanted} == found, text
