"""Packages of all networks of the engine's tests, against ONNX Runtime on the same graphs.

`LOAM_GRAPHS` is the folder of the graphs, which `test.sh` has written.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from coremltools.converters.mil.frontend.milproto.load import load
from onnx import TensorProto, helper

import convert
import mil

GRAPHS = sorted(Path(os.environ["LOAM_GRAPHS"]).glob("*.onnx"))
SCRIPT = Path(convert.__file__)

Array = npt.NDArray[Any]


def inputs_of(model: onnx.ModelProto, seed: int = 3) -> dict[str, Array]:
    """Noise, and factors of adapters that change results without being all of them."""
    chance = np.random.default_rng(seed)
    found = {}
    for value in model.graph.input:
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        # `A` of columns whose norm is one, and `B` of what is much to add.
        size = shape[0] ** -0.5 if "lora_A" in value.name else 0.2 if "lora_B" in value.name else 1.0
        found[value.name] = (size * chance.standard_normal(shape)).astype(np.float32)
    return found


def expected(model: onnx.ModelProto, inputs: dict[str, Array]) -> list[Array]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [np.asarray(one) for one in session.run(None, inputs)]


def run(model: onnx.ModelProto, program: Any, inputs: dict[str, Array]) -> list[Array]:
    found = mil.run(program, {convert.identifier(name): value for name, value in inputs.items()})
    return [found[convert.identifier(output.name)] for output in model.graph.output]


def cosine(a: Array, b: Array) -> float:
    return float((a * b).sum() / max(1e-30, np.sqrt((a * a).sum() * (b * b).sum())))


def saved_program(path: Path) -> Any:
    """What is in the files: operators, settings and weights."""
    model = ct.models.MLModel(str(path), skip_model_load=True)
    spec = model.get_spec()
    return load(spec, spec.specificationVersion, model.weights_dir)


def test_there_are_graphs() -> None:
    assert len(GRAPHS) >= 20


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
def test_packages_are_the_graphs(path: Path, tmp_path: Path) -> None:
    model = onnx.load(path)
    inputs = inputs_of(model)
    wanted = expected(model, inputs)

    # In single precision only the order of sums differs.
    for ours, theirs in zip(run(model, convert.program(model), inputs), wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-4 * max(1.0, float(np.abs(theirs).max())))

    package = tmp_path / "model.mlpackage"
    convert.package(model, package)
    report = convert.checked(model, package)
    assert list(report["inputs"].values()) == [list(inputs[value.name].shape) for value in model.graph.input]
    assert {name for name in report["inputs"] if "lora_" in name}, "an adapter is an input"
    for ours, theirs in zip(run(model, saved_program(package), inputs), wanted, strict=True):
        assert np.isfinite(ours).all()
        assert cosine(ours, theirs) > 0.999


def made(
    nodes: list[onnx.NodeProto], *shapes: list[int], constants: tuple[onnx.TensorProto, ...] = ()
) -> onnx.ModelProto:
    """A graph of inputs `x0`, `x1`, ... whose last node gives `y`."""
    values = [helper.make_tensor_value_info(f"x{at}", TensorProto.FLOAT, shape) for at, shape in enumerate(shapes)]
    bare = helper.make_graph(
        [*nodes, helper.make_node("Identity", ["y"], ["output.0"])], "made", values,
        [helper.make_tensor_value_info("output.0", TensorProto.FLOAT, None)], list(constants),
    )  # fmt: skip
    model = helper.make_model(bare, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)
    return onnx.shape_inference.infer_shapes(model)


def constant(name: str, values: Array) -> onnx.TensorProto:
    return onnx.numpy_helper.from_array(values, name)


@pytest.mark.parametrize("size", [0.0, 1e-3, 1.0, 3e4])
def test_norms_of_small_and_large_rows_fit_into_half_precision(size: float, tmp_path: Path) -> None:
    gamma = constant("gamma", np.linspace(0.5, 2, 64, dtype=np.float32))
    node = helper.make_node("RMSNormalization", ["x0", "gamma"], ["y"], axis=-1, epsilon=1e-5)
    model = made([node], [4, 64], constants=(gamma,))
    inputs = {"x0": (size * np.random.default_rng(1).uniform(-1, 1, (4, 64))).astype(np.float32)}
    convert.package(model, tmp_path / "model.mlpackage")
    ours = run(model, saved_program(tmp_path / "model.mlpackage"), inputs)[0]
    np.testing.assert_allclose(ours, expected(model, inputs)[0], rtol=5e-3, atol=2e-3)


def test_what_is_not_taken_is_named(tmp_path: Path) -> None:
    tanh = made([helper.make_node("Tanh", ["x0"], ["y"], name="squash")], [2, 3])
    with pytest.raises(convert.Refused, match="Tanh of 'squash'"):
        convert.program(tanh)
    attributes: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [1, 1], "pads": [0, 0, 0, 0], "dilations": [2, 2]}
    with pytest.raises(convert.Refused, match="dilations"):
        convert.program(made([helper.make_node("MaxPool", ["x0"], ["y"], **attributes)], [1, 1, 8, 8]))
    onnx.save(tanh, tmp_path / "tanh.onnx")
    words = [sys.executable, str(SCRIPT), str(tmp_path / "tanh.onnx"), str(tmp_path / "tanh.mlpackage")]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (convert.REFUSED, "Tanh of 'squash'")
    assert not (tmp_path / "tanh.mlpackage").exists()


def test_another_graphs_package_is_refused(tmp_path: Path) -> None:
    relu = [helper.make_node("Relu", ["x0"], ["y"])]
    convert.package(made(relu, [2, 3]), tmp_path / "model.mlpackage")
    with pytest.raises(convert.Refused, match="inputs"):
        convert.checked(made(relu, [2, 4]), tmp_path / "model.mlpackage")


def test_names_are_unlike_each_other() -> None:
    assert [convert.identifier(name) for name in ("a.b", "0", "", "ü1")] == ["a_b", "_0", "_", "_1"]
    twice = made([helper.make_node("Add", ["x0", "x1"], ["y"])], [2], [2])
    twice.graph.input[0].name, twice.graph.input[1].name = "a.b", "a_b"
    with pytest.raises(convert.Refused, match="one name"):
        convert.shapes(twice.graph.input)


def test_the_program_says_what_it_wrote(tmp_path: Path) -> None:
    words = [sys.executable, str(SCRIPT), str(GRAPHS[0]), str(tmp_path / "model.mlpackage")]
    ended = subprocess.run(words, capture_output=True, text=True, check=True)
    report = json.loads(ended.stdout.splitlines()[-1])
    assert report["operators"] and report["inputs"] and report["outputs"]
