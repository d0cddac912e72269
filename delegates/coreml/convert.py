"""A graph that Loam wrote as an ONNX file, as a Core ML package: `convert.py GRAPH.onnx MODEL.mlpackage`.

Core ML computes in half precision, for iOS 17 and later; inputs and outputs are single precision, and an adapter's
factors are inputs as in the graph. What was written is read back and compared with the graph; a report in JSON goes to
standard output. The last line of standard error says what went wrong; the exit code is 3 for a graph that is not taken,
4 where a package is missing.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

REFUSED, UNAVAILABLE = 3, 4

os.environ.setdefault("TQDM_DISABLE", "1")
# Without Apple's libraries it says at each start that it cannot run models.
logging.getLogger("coremltools").setLevel(logging.ERROR)
try:
    import coremltools as ct
    import numpy as np
    import onnx
    from coremltools.converters.mil import Builder as mb
    from coremltools.converters.mil.mil import Function, Program
    from onnx import numpy_helper
except ImportError as error:
    print(f"{error}; pip install coremltools onnx", file=sys.stderr)
    raise SystemExit(UNAVAILABLE) from error

TARGET = ct.target.iOS17

Shapes = dict[str, list[int]]
Attributes = dict[str, Any]
Operation = Callable[[list[Any], Attributes], Any]
"""From operands (values of MIL, or arrays for constants) and attributes to a value."""


class Refused(Exception):
    """A graph that cannot become a package, or did not become the same one."""


def identifier(name: str) -> str:
    """A name of an input or output as Core ML allows it: letters, digits and `_`. loam-delegates has this rule too."""
    found = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)
    return f"_{found}" if not found or found[0].isdigit() else found


def _integers(operand: Any) -> list[int]:
    return [int(value) for value in np.asarray(operand).reshape(-1)]


def _is_constant(operand: Any) -> bool:
    return isinstance(operand, np.ndarray)


def _linear(x: list[Any], attributes: Attributes) -> Any:
    if attributes != {"transB": 1}:
        raise Refused(f"Gemm with {attributes}")
    if all(map(_is_constant, x[1:])):
        return mb.linear(x=x[0], weight=x[1], **({"bias": x[2]} if len(x) > 2 else {}))
    product = mb.matmul(x=x[0], y=x[1], transpose_y=True)
    return mb.add(x=product, y=x[2]) if len(x) > 2 else product


def _window(attributes: Attributes) -> dict[str, Any]:
    """ONNX lists what is added before each axis, then behind each; MIL both of an axis side by side."""
    pads = attributes["pads"]
    half = len(pads) // 2
    padding = [pads[at + side * half] for at in range(half) for side in (0, 1)]
    return {"strides": attributes["strides"], "pad_type": "custom", "pad": padding}


def _conv(x: list[Any], attributes: Attributes) -> Any:
    bias = {"bias": x[2]} if len(x) > 2 else {}
    dilations = attributes["dilations"]
    return mb.conv(
        x=x[0], weight=x[1], groups=attributes.get("group", 1), dilations=dilations, **bias, **_window(attributes)
    )


def _max_pool(x: list[Any], attributes: Attributes) -> Any:
    if any(step != 1 for step in attributes["dilations"]):
        raise Refused("MaxPool with dilations")
    return mb.max_pool(x=x[0], kernel_sizes=attributes["kernel_shape"], **_window(attributes))


def _layer_norm(x: list[Any], attributes: Attributes) -> Any:
    beta = {"beta": x[2]} if len(x) > 2 else {}
    return mb.layer_norm(x=x[0], axes=[-1], gamma=x[1], epsilon=np.float32(attributes["epsilon"]), **beta)


LEAST = np.float32(2**-10)
"""What rows are divided by at least, so that rows of zeros stay zeros."""


def _rms_norm(x: list[Any], attributes: Attributes) -> Any:
    """MIL has no such operator. Rows are divided by their largest magnitude first: squares of a backbone's states are
    beyond half precision, whose largest number is 65504."""
    largest = mb.reduce_max(x=mb.abs(x=x[0]), axes=[-1], keep_dims=True)
    scale = mb.maximum(x=largest, y=LEAST)
    small = mb.real_div(x=x[0], y=scale)
    mean = mb.reduce_mean(x=mb.mul(x=small, y=small), axes=[-1], keep_dims=True)
    root = mb.real_div(x=np.float32(math.sqrt(attributes["epsilon"])), y=scale)
    inverse = mb.rsqrt(x=mb.add(x=mean, y=mb.mul(x=root, y=root)), epsilon=np.float32(0.0))
    return mb.mul(x=mb.mul(x=small, y=inverse), y=x[1])


def _gelu(x: list[Any], attributes: Attributes) -> Any:
    modes = {"none": "EXACT", "tanh": "TANH_APPROXIMATION"}
    return mb.gelu(x=x[0], mode=modes[attributes.get("approximate", "none")])


def _slice(x: list[Any], attributes: Attributes) -> Any:
    del attributes
    starts, ends, axes = (_integers(operand) for operand in x[1:])
    begin, end = [0] * len(x[0].shape), list(x[0].shape)
    for start, stop, axis in zip(starts, ends, axes, strict=True):
        begin[axis], end[axis] = start, stop
    return mb.slice_by_index(x=x[0], begin=begin, end=end)


OPERATIONS: dict[str, Operation] = {
    "Gemm": _linear,
    "Conv": _conv,
    "MaxPool": _max_pool,
    "MatMul": lambda x, _: mb.matmul(x=x[0], y=x[1]),
    "Add": lambda x, _: mb.add(x=x[0], y=x[1]),
    "Mul": lambda x, _: mb.mul(x=x[0], y=x[1]),
    "LayerNormalization": _layer_norm,
    "RMSNormalization": _rms_norm,
    "Gelu": _gelu,
    "Relu": lambda x, _: mb.relu(x=x[0]),
    "Sigmoid": lambda x, _: mb.sigmoid(x=x[0]),
    "Softmax": lambda x, attributes: mb.softmax(x=x[0], axis=attributes["axis"]),
    "Reshape": lambda x, _: mb.reshape(x=x[0], shape=_integers(x[1])),
    "Transpose": lambda x, attributes: mb.transpose(x=x[0], perm=attributes["perm"]),
    "Slice": _slice,
    "Concat": lambda x, attributes: mb.concat(values=x, axis=attributes["axis"]),
    "ReduceMean": lambda x, _: mb.reduce_mean(x=x[0], axes=_integers(x[1]), keep_dims=True),
    "ReduceMax": lambda x, _: mb.reduce_max(x=x[0], axes=_integers(x[1]), keep_dims=True),
}
"""All operators that Loam writes but `Identity`, which names outputs."""


def shapes(values: Sequence[Any]) -> Shapes:
    """Extents of a graph's inputs or outputs, by Core ML's names for them.

    Raises:
        Refused: where two names become one.
    """
    named = [(identifier(value.name), value) for value in values]
    found = {name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for name, value in named}
    if len(found) < len(named):
        raise Refused("two inputs or outputs have one name in Core ML")
    return found


def program(model: onnx.ModelProto) -> Any:
    """The graph in Core ML's own language, in single precision.

    Raises:
        Refused: naming an operator.
    """
    graph = model.graph
    given = {name: mb.placeholder(shape=shape) for name, shape in shapes(graph.input).items()}
    with Function(given, opset_version=TARGET) as function:
        known: dict[str, Any] = {value.name: function.inputs[identifier(value.name)] for value in graph.input}
        known |= {constant.name: numpy_helper.to_array(constant) for constant in graph.initializer}
        outputs = [value.name for value in graph.output]
        for node in graph.node:
            operands = [known[name] for name in node.input]
            attributes = {one.name: _attribute(one) for one in node.attribute}
            result = node.output[0]
            if node.op_type == "Identity":
                known[result] = mb.identity(x=operands[0], name=identifier(result))
                continue
            operation = OPERATIONS.get(node.op_type)
            if operation is None or node.domain:
                raise Refused(f"{node.op_type} of '{node.name}'")
            known[result] = operation(operands, attributes)
        function.set_outputs([known[name] for name in outputs])
    made = Program()
    made.add_function("main", function)
    return made


def _attribute(attribute: Any) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    return value.decode() if isinstance(value, bytes) else list(value) if isinstance(value, Sequence) else value


def package(model: onnx.ModelProto, path: Path) -> None:
    """Writes the package.

    Raises:
        Refused: as `program`, and in the converter's words.
    """
    try:
        made = ct.convert(
            program(model),
            source="milinternal",
            convert_to="mlprogram",
            compute_precision=ct.precision.FLOAT16,
            minimum_deployment_target=TARGET,
            skip_model_load=True,
        )
    except (ValueError, TypeError, NotImplementedError, KeyError) as reason:
        raise Refused(str(reason)) from reason
    made.save(str(path))


def checked(model: onnx.ModelProto, path: Path) -> dict[str, Any]:
    """What a package holds, once it is known to read and give what the graph does.

    Raises:
        Refused: naming what differs.
    """
    spec = ct.models.MLModel(str(path), skip_model_load=True).get_spec()
    report: dict[str, Any] = {}
    for side, found, wanted in (
        ("inputs", spec.description.input, model.graph.input),
        ("outputs", spec.description.output, model.graph.output),
    ):
        arrays = {one.name: list(one.type.multiArrayType.shape) for one in found}
        if arrays != shapes(wanted):
            raise Refused(f"the package has the {side} {arrays}, the graph {shapes(wanted)}")
        report[side] = arrays
    block = spec.mlProgram.functions["main"]
    operations = block.block_specializations[block.opset].operations
    report["operators"] = dict(sorted(Counter(one.type for one in operations if one.type != "const").items()))
    return report


def main() -> int:
    """Converts one file."""
    parser = argparse.ArgumentParser(description="Makes a Core ML package of a graph.")
    parser.add_argument("graph", type=Path, help="ONNX file, as `loam ops --export` writes it")
    parser.add_argument("package", type=Path, help="the .mlpackage that is made")
    chosen = parser.parse_args()
    try:
        model = onnx.load(chosen.graph)
        package(model, chosen.package)
        print(json.dumps(checked(model, chosen.package)))
    except Refused as reason:
        print(str(reason).replace("\n", " "), file=sys.stderr)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
