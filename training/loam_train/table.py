"""TOML tables as dataclasses: every key is known, present and of its type, or an error names the file and the key."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from .errors import InputError

T = TypeVar("T")


def read(path: Path) -> dict[str, Any]:
    """The whole file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, error.strerror or str(error)) from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(path, str(error)) from error


def fill(kind: type[T], values: Any, path: Path, where: str = "") -> T:
    """An instance of the dataclass `kind`; `where` is the table's name in errors."""
    if not isinstance(values, dict):
        raise InputError(path, f"{where or 'the file'} is {values!r}, expected a table")
    hints = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    prefix = f"{where}." if where else ""
    for name in values:
        if name not in fields:
            raise InputError(path, f"{prefix}{name} is unknown, known are {', '.join(fields)}")
    found: dict[str, Any] = {}
    for name, field in fields.items():
        if name in values:
            found[name] = _value(hints[name], values[name], path, prefix + name)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise InputError(path, f"{prefix}{name} is missing")
    return kind(**found)


def needing(path: Path) -> Callable[[bool, str, object, str], None]:
    """What refuses a value of the file `path` that does not hold, with its key, the value and what was expected."""

    def need(held: bool, key: str, value: object, expected: str) -> None:
        if not held:
            raise InputError(path, f"{key} is {value!r}, expected {expected}")

    return need


def _value(hint: Any, value: Any, path: Path, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return fill(hint, value, path, where)  # type: ignore[arg-type]
    if get_origin(hint) is list:
        if not isinstance(value, list):
            raise InputError(path, f"{where} is {value!r}, expected a list")
        return [_value(get_args(hint)[0], item, path, f"{where}[{i}]") for i, item in enumerate(value)]
    if get_origin(hint) is dict:
        if not isinstance(value, dict):
            raise InputError(path, f"{where} is {value!r}, expected a table")
        return {key: _value(get_args(hint)[1], item, path, f"{where}.{key}") for key, item in value.items()}
    if hint is float and type(value) is int:
        return float(value)
    if hint is not Any and type(value) is not hint:
        raise InputError(path, f"{where} is {value!r}, expected {hint.__name__}")
    return value
