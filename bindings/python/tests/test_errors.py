"""Failures reach Python as exceptions, and the engine goes on."""

from __future__ import annotations

import ast
import pickle

import pytest
from generated import Listener
from place import PACKAGE

import loam
from loam.self_test import provoke_panic, provoke_panic_in_worker


def test_an_error_says_what_is_wrong(tmp_path: object) -> None:
    with pytest.raises(loam.LoamError.Io) as raised:
        loam.Engine.open(f"{tmp_path}/nowhere")
    error = raised.value
    assert isinstance(error, loam.LoamError)
    assert error.path.endswith("nowhere") and "nowhere" in error.reason
    assert str(error) == error.reason and error.code() == 3


def test_an_error_survives_the_way_to_another_process() -> None:
    error = loam.LoamError.ContextFull(tokens=9, limit=8, reason="too long")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is loam.LoamError.ContextFull
    assert (copy.tokens, copy.limit, copy.reason, copy.code()) == (9, 8, "too long", 10)


def test_a_panic_of_a_call_is_an_exception(app: loam.App) -> None:
    for _ in range(3):
        with pytest.raises(loam.InternalError, match="provoked on the caller's thread"):
            provoke_panic()
    assert app.generate("The cat", max_tokens=3).text()


def test_a_panic_of_a_stream_is_an_exception(app: loam.App) -> None:
    for _ in range(8):
        with pytest.raises(loam.LoamError.Internal, match="provoked on a worker thread") as raised:
            next(provoke_panic_in_worker(app))
        assert raised.value.code() == 1
    assert app.generate("The cat", max_tokens=3).text()


def test_an_exception_of_a_callback_comes_back(app: loam.App) -> None:
    listener = Listener(throws="no room left")
    handle = listener.listen(app.chat(), "Hello", max_tokens=200)
    with pytest.raises(loam.LoamError.Callback, match="no room left"):
        handle.wait()
    assert len([event for event in listener.events if isinstance(event, loam.Event.TEXT)]) == 1
    assert isinstance(listener.events[-1], loam.Event.FAILED)


def test_a_context_that_is_full_names_its_limit(app: loam.App) -> None:
    stream = app.generate("word " * 20_000, max_tokens=4)
    with pytest.raises(loam.LoamError.ContextFull) as raised:
        list(stream)
    assert raised.value.tokens > raised.value.limit > 0


def test_the_stub_describes_the_generated_classes() -> None:
    """Type checkers read variants.pyi: every variant and field of it is there at run time, and none is missing."""
    tree = ast.parse((PACKAGE / "variants.pyi").read_text(encoding="utf-8"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    for kind in (loam.LoamError, loam.Event, loam.TranscriptEvent, loam.InstallPolicy, loam.Repair):
        aliases = {
            node.target.id: str(node.value.value)
            for node in classes[kind.__name__].body
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(node.value, ast.Constant)
        }
        real = {variant.__name__.split(".")[-1]: variant for variant in kind.__subclasses__()}
        assert aliases.keys() == real.keys()
        for name, alias in aliases.items():
            init = next(node for node in classes[alias].body if isinstance(node, ast.FunctionDef))
            fields = [argument.arg for argument in init.args.args[1:]]
            code = real[name].__init__.__code__
            assert fields == list(code.co_varnames[1 : code.co_argcount]), (kind, name)
