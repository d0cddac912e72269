"""What the device is like reaches engines, and keeps out what nobody waits for."""

from __future__ import annotations

from pathlib import Path

import pytest
from place import TINY

import loam


def conditions(thermal: loam.Thermal) -> loam.Conditions:
    battery = loam.Battery(percent=None, supply=loam.Supply.MAINS, saver=loam.Saver.OFF)
    return loam.Conditions(thermal=thermal, battery=battery)


COOL, HOT = conditions(loam.Thermal.NOMINAL), conditions(loam.Thermal.SERIOUS)


def ask(engine: loam.Engine, priority: loam.Priority) -> str:
    return engine.attach("com.example.photos").generate("The cat", max_tokens=4, priority=priority).text()


def test_background_work_is_refused_on_a_hot_device_and_taken_when_it_has_cooled() -> None:
    engine = loam.Engine.open(TINY)
    assert engine.status().conditions == COOL
    engine.set_conditions(HOT)
    assert engine.status().conditions == HOT
    with pytest.raises(loam.LoamError.Refused, match="thermal state is serious") as refused:
        ask(engine, loam.Priority.BACKGROUND)
    assert refused.value.retry_after_ms == 60_000
    text = ask(engine, loam.Priority.NORMAL)
    engine.set_conditions(COOL)
    assert ask(engine, loam.Priority.BACKGROUND) == text
    assert "SERIOUS" in repr(HOT)


def test_a_host_says_it_for_all_apps_and_its_clients_do_not(tmp_path: Path) -> None:
    with loam.Host(TINY, tmp_path / "state") as host:
        host.listen(tmp_path / "socket")
        engine = loam.Engine.connect(tmp_path / "socket")
        host.set_conditions(HOT)
        with pytest.raises(loam.LoamError.Refused, match="thermal state is serious"):
            ask(engine, loam.Priority.BACKGROUND)
        with pytest.raises(loam.LoamError.Unsupported, match="conditions"):
            engine.set_conditions(COOL)
        assert engine.status().conditions == HOT
