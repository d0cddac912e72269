"""Programs in Core ML's language, run operator by operator in numpy: Core ML itself runs on Apple's systems alone.

Each result is rounded to the precision that the program gives it, sums are single precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from coremltools.converters.mil.mil import types

Array = npt.NDArray[Any]
Operands = dict[str, Any]

_erf = np.vectorize(math.erf, otypes=[np.float32])


def _windows(x: Array, op: Operands, kernel: list[int], fill: float) -> Array:
    """`[N, C, *out, *kernel]`: what a window sees at each of its places."""
    assert op["pad_type"] == "custom"
    axes = len(kernel)
    pads = np.asarray(op["pad"]).reshape(axes, 2)
    padded = np.pad(x, [(0, 0), (0, 0), *map(tuple, pads)], constant_values=fill)
    dilations = [int(d) for d in op.get("dilations", [1] * axes)]
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    seen = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=tuple(range(2, 2 + axes)))
    steps = [slice(None, None, int(step)) for step in op["strides"]]
    return np.asarray(seen[(slice(None), slice(None), *steps, *(slice(None, None, d) for d in dilations))])


def _conv(op: Operands) -> Array:
    x, weight, groups = op["x"], op["weight"], int(op["groups"])
    kernel = list(weight.shape[2:])
    seen = _windows(x, op, kernel, 0.0)
    axes, made = len(kernel), []
    inputs, outputs = x.shape[1] // groups, weight.shape[0] // groups
    over = [1, *range(2 + axes, 2 + 2 * axes)]
    for group in range(groups):
        own = seen[:, group * inputs : (group + 1) * inputs]
        rows = weight[group * outputs : (group + 1) * outputs]
        made.append(np.moveaxis(np.tensordot(own, rows, axes=(over, list(range(1, 2 + axes)))), -1, 1))
    bias = op.get("bias", np.zeros(weight.shape[0], np.float32))
    return np.asarray(np.concatenate(made, axis=1) + bias.reshape(1, -1, *[1] * axes))


def _max_pool(op: Operands) -> Array:
    kernel = [int(size) for size in op["kernel_sizes"]]
    assert not op["ceil_mode"]
    found: Array = _windows(op["x"], op, kernel, -np.inf).max(axis=tuple(range(-len(kernel), 0)))
    return found


def _layer_norm(op: Operands) -> Array:
    axes = tuple(int(axis) for axis in op["axes"])
    centred = op["x"] - op["x"].mean(axes, keepdims=True)
    found = centred / np.sqrt((centred**2).mean(axes, keepdims=True) + op["epsilon"])
    return np.asarray(found * op.get("gamma", 1.0) + op.get("beta", 0.0))


def _gelu(op: Operands) -> Array:
    x = op["x"]
    if op["mode"] == "EXACT":
        return np.asarray(0.5 * x * (1 + _erf(x / math.sqrt(2))))
    assert op["mode"] == "TANH_APPROXIMATION"
    return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))


def _softmax(op: Operands) -> Array:
    raised = np.exp(op["x"] - op["x"].max(op["axis"], keepdims=True))
    return np.asarray(raised / raised.sum(op["axis"], keepdims=True))


def _matmul(op: Operands) -> Array:
    x = np.swapaxes(op["x"], -1, -2) if op["transpose_x"] else op["x"]
    y = np.swapaxes(op["y"], -1, -2) if op["transpose_y"] else op["y"]
    return np.asarray(x @ y)


def _linear(op: Operands) -> Array:
    return np.asarray(op["x"] @ op["weight"].T + op.get("bias", 0.0))


def _slice(op: Operands) -> Array:
    x: Array = op["x"]
    masks = [np.asarray(op.get(mask, np.zeros(x.ndim))) for mask in ("begin_mask", "end_mask", "squeeze_mask")]
    assert not masks[2].any() and (np.asarray(op.get("stride", [1])) == 1).all()
    begin = np.where(masks[0], 0, op["begin"])
    end = np.where(masks[1], x.shape, op["end"])
    return x[tuple(slice(int(first), int(last)) for first, last in zip(begin, end, strict=True))]


def _axes(op: Operands) -> tuple[int, ...]:
    assert op["keep_dims"]
    return tuple(int(axis) for axis in op["axes"])


OPERATIONS: dict[str, Callable[[Operands], Any]] = {
    "abs": lambda op: np.abs(op["x"]),
    "add": lambda op: op["x"] + op["y"],
    "cast": lambda op: op["x"],
    "concat": lambda op: np.concatenate(op["values"], int(op["axis"])),
    "conv": _conv,
    "gelu": _gelu,
    "identity": lambda op: op["x"],
    "layer_norm": _layer_norm,
    "linear": _linear,
    "matmul": _matmul,
    "max_pool": _max_pool,
    "maximum": lambda op: np.maximum(op["x"], op["y"]),
    "mul": lambda op: op["x"] * op["y"],
    "real_div": lambda op: op["x"] / op["y"],
    "reduce_max": lambda op: op["x"].max(_axes(op), keepdims=True),
    "reduce_mean": lambda op: op["x"].mean(_axes(op), keepdims=True),
    "relu": lambda op: np.maximum(op["x"], 0),
    "reshape": lambda op: op["x"].reshape([int(extent) for extent in op["shape"]]),
    "rsqrt": lambda op: 1 / np.sqrt(op["x"] + op["epsilon"]),
    "sigmoid": lambda op: 1 / (1 + np.exp(-op["x"])),
    "silu": lambda op: op["x"] / (1 + np.exp(-op["x"])),
    "slice_by_index": _slice,
    "softmax": _softmax,
    "transpose": lambda op: op["x"].transpose([int(axis) for axis in op["perm"]]),
}


def run(program: Any, inputs: dict[str, Array]) -> dict[str, Array]:
    """Outputs of a program by their names."""
    function = program.functions["main"]
    known: dict[str, Array] = dict(inputs)

    def value(operand: Any) -> Any:
        if isinstance(operand, (list, tuple)):
            return [value(one) for one in operand]
        found = known.get(operand.name, operand.val)
        return found.astype(np.float32) if isinstance(found, np.ndarray) and found.dtype.kind == "f" else found

    for operation in function.operations:
        if operation.op_type == "const":
            continue
        operands = {name: value(one) for name, one in operation.inputs.items() if one is not None}
        result = operation.outputs[0]
        with np.errstate(over="ignore"):
            made = np.asarray(OPERATIONS[operation.op_type](operands), np.float32)
            known[result.name] = made.astype(types.nptype_from_builtin(result.dtype)).astype(np.float32)
        assert list(made.shape) == list(result.shape), operation.name
    return {output.name: known[output.name] for output in function.outputs}
