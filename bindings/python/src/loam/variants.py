"""Kinds with data: what streams report, what went wrong, and policies that carry a value.

The generated classes themselves, which ``variants.pyi`` describes to type checkers: in the generated file each case becomes
a subclass of its kind only at run time.
"""

from __future__ import annotations

from typing import Any

from loam._ffi.loam_ffi import Event, InstallPolicy, InternalError, LoamError, Repair, TranscriptEvent

__all__ = ["Event", "InstallPolicy", "InternalError", "LoamError", "Repair", "TranscriptEvent"]


def _message(error: Any) -> str:
    return str(error.reason)


def _reduced(error: Any) -> tuple[Any, tuple[Any, ...]]:
    return type(error), tuple(vars(error).values())


def _shown(variant: Any) -> str:
    fields = ", ".join(f"{name}={value!r}" for name, value in vars(variant).items())
    return f"{type(variant).__name__}({fields})"


# Python would show the name and no field.
for _kind in (Event, InstallPolicy, Repair, TranscriptEvent):
    for _variant in _kind.__subclasses__():
        setattr(_variant, "__repr__", _shown)

# The generated text is a list of fields; the sentence is one of them. Python makes an exception again from its arguments when
# it is sent to another process, and these are the fields, which the generated class does not pass on.
LoamError.__str__ = _message
LoamError.__reduce__ = _reduced
