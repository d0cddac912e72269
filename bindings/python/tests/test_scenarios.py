"""The scenarios that every package passes, through this one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from contexts import Case
from place import CASES, NANO, TINY
from scenario import differences

import loam

TABLE = json.loads(CASES.read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", TABLE, ids=[case["name"] for case in TABLE])
def test_every_case_gives_what_the_table_says(case: dict[str, Any]) -> None:
    foundation = {"tiny": TINY, "nano": NANO}[case["foundation"]]
    if not foundation.exists():
        assert case["foundation"] == "nano", f"{foundation} is not there: run `make scenarios` first"
        pytest.skip("run `loam pull loam-nano` first")
    scenario = Case(loam.Engine.open(foundation), case["args"])
    found = scenario.outcome(case["op"])
    assert not list(differences("result", found, case["expect"]))


def test_a_difference_is_found_wherever_it_is() -> None:
    expected = {"a": [1.0, {"b": "x", "c": None}], "d": True}
    assert not list(differences("r", {"a": [1.0005, {"b": "x", "c": None}], "d": True}, expected))
    others: list[Any] = [
        {"a": [1.002, {"b": "x", "c": None}], "d": True},
        {"a": [float("nan"), {"b": "x", "c": None}], "d": True},
        {"a": [1.0, {"b": "y", "c": None}], "d": True},
        {"a": [1.0, {"b": "x", "c": 0}], "d": True},
        {"a": [1.0, {"b": "x"}], "d": True},
        {"a": [1.0], "d": True},
        {"a": [1.0, {"b": "x", "c": None}], "d": 1},
    ]
    for other in others:
        assert len(list(differences("r", other, expected))) == 1, other
