"""Components on delegates: ONNX Runtime's processor stands for an NPU. Of the tiny foundation the text encoder is compiled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from place import RUNTIME, SCENARIOS, TINY

import loam

SENTENCE = "two cats on a mat"


def delegates(folder: Path, strictness: loam.Strictness | None = None) -> loam.Delegates:
    if not RUNTIME.is_file():
        pytest.skip("LOAM_ONNXRUNTIME names no file: run delegates/setup.sh")
    return loam.Delegates(
        targets=[loam.DelegateTarget.ONNX_FLOAT],
        artefacts=str(SCENARIOS / "delegates"),
        runtime=str(RUNTIME),
        preference=loam.Preference.DELEGATE,
        strictness=strictness,
        plan=str(folder / "plan.json"),
    )


def embed(engine: loam.Engine, input: loam.Input) -> loam.Embedding:
    return engine.attach("com.example.mail").embed(input)


def text() -> loam.Input:
    return loam.Input.text(SENTENCE)


def picture() -> loam.Input:
    return loam.Input.image_file(SCENARIOS / "square.png")


def test_a_component_runs_on_a_delegate_and_says_so(tmp_path: Path) -> None:
    engine = loam.Engine.open(TINY, delegates=delegates(tmp_path))
    assert engine.places() == []
    engine.wait_for_delegates("text")
    [place] = engine.places()
    assert (place.component, place.backend, place.reason) == ("text", "onnx-float", None)
    assert place.support == loam.Support.FULL
    [timing] = place.times
    assert timing.delegate_ms > 0 and timing.processor_ms > 0 and timing.graph.startswith("text-")

    ours, theirs = embed(engine, text()), embed(loam.Engine.open(TINY), text())
    assert ours.trace.steps[0].backend == "onnx-float"
    assert theirs.trace.steps[0].backend.startswith("cpu/")
    np.testing.assert_allclose(ours.vector, theirs.vector, atol=1e-4)

    engine.wait_for_delegates("image")
    seen = embed(engine, picture()).trace.steps[0]
    assert seen.backend.startswith("cpu/") and seen.fallback == "not compiled"


def test_a_strict_engine_refuses_what_no_delegate_runs(tmp_path: Path) -> None:
    engine = loam.Engine.open(TINY, delegates=delegates(tmp_path, loam.Strictness.STRICT))
    engine.wait_for_delegates("image")
    with pytest.raises(loam.LoamError.Delegate, match="not compiled") as refused:
        embed(engine, picture())
    assert (refused.value.component, refused.value.code()) == ("image", 19)
    with pytest.raises(loam.LoamError.MissingComponent, match="nose"):
        engine.wait_for_delegates("nose")


def test_a_host_tells_where_components_run(tmp_path: Path) -> None:
    with loam.Host(TINY, tmp_path / "state", delegates=delegates(tmp_path)) as host:
        host.listen(tmp_path / "socket")
        engine = loam.Engine.connect(tmp_path / "socket")
        embed(engine, text())
        assert [place.component for place in engine.places()] == ["text"]
        assert [place.component for place in host.places()] == ["text"]
        with pytest.raises(loam.LoamError.Unsupported, match="delegates"):
            engine.wait_for_delegates("text")


def test_a_target_of_another_system_is_refused_by_name() -> None:
    targets = [loam.DelegateTarget.ONNX_FLOAT, loam.DelegateTarget.CORE_ML]
    with pytest.raises(loam.LoamError.Unsupported) as refused:
        loam.Engine.open(TINY, delegates=loam.Delegates(targets=targets))
    assert refused.value.what == "coreml"
    assert loam.Engine.open(TINY).places() == []
