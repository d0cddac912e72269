"""Whole processes: how they end, and notebooks."""

from __future__ import annotations

import multiprocessing
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from queue import Empty
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel
from place import TINY

import loam

BEGIN = f"""
import loam
engine = loam.Engine.open({os.fspath(TINY)!r})
app = engine.attach("com.example.mail")
"""


def run(script: str) -> subprocess.CompletedProcess[str]:
    code = BEGIN + textwrap.dedent(script)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "script",
    [
        # Streams that run, are held or dropped, when the interpreter goes down.
        "streams = [app.generate('The cat', max_tokens=900) for _ in range(8)]; next(streams[0])",
        "for _ in range(8): app.generate('The cat', max_tokens=900)",
        "for event in app.chat().respond('Hello', max_tokens=900): break",
        "import sys; stream = app.generate('The cat', max_tokens=900); sys.exit(0)",
        "loam.log_to_logging(); stream = app.generate('The cat', max_tokens=900)",
        """
        import threading
        def forever():
            try:
                while True:
                    app.generate('The cat', max_tokens=50).text()
            except RuntimeError:
                pass
        threading.Thread(target=forever, daemon=True).start()
        app.generate('The cat', max_tokens=50).text()
        """,
        # Records of a thread that is in the middle of a call.
        """
        import threading
        loam.log_to(loam.LogLevel.TRACE, lambda *record: None)
        def forever():
            while True:
                app.embed(loam.Input.text('The cat'))
                engine.unload('text')
        for _ in range(3): threading.Thread(target=forever, daemon=True).start()
        app.generate('The cat', max_tokens=50).text()
        """,
    ],
)
def test_a_process_ends_well_while_streams_run(script: str) -> None:
    for _ in range(3):
        ended = run(script)
        assert ended.returncode == 0, ended
        # Records may still come while the interpreter ends.
        assert not re.search("FATAL|Traceback|Exception|Error", ended.stderr), ended


def test_a_process_that_is_spawned_opens_its_own_engine() -> None:
    """As a loader of data does; the results are those of the process that spawned it."""
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        results = pool.map(embed_in_an_own_engine, ["two cats"] * 4)
    assert results == [embed_in_an_own_engine("two cats")] * 4


def embed_in_an_own_engine(text: str) -> bytes:
    app = loam.Engine.open(TINY).attach("com.example.mail")
    return app.embed(loam.Input.text(text)).vector.tobytes()


class Notebook:
    """A running kernel."""

    def __init__(self) -> None:
        self.manager, self.client = start_new_kernel(kernel_name="python3")

    def run(self, cell: str) -> str:
        """What the cell prints and shows."""
        self.client.execute(textwrap.dedent(cell))
        return self.output()

    def output(self) -> str:
        shown = ""
        while True:
            message: dict[str, Any] = self.client.get_iopub_msg(timeout=60)
            content = message["content"]
            match message["msg_type"]:
                case "stream":
                    shown += content["text"]
                case "execute_result":
                    shown += content["data"]["text/plain"]
                case "error":
                    shown += content["ename"] + ": " + content["evalue"]
                case "status" if content["execution_state"] == "idle":
                    return shown


@pytest.fixture(scope="module")
def notebook() -> Iterator[Notebook]:
    started = Notebook()
    yield started
    started.client.stop_channels()
    started.manager.shutdown_kernel(now=True)


def test_a_notebook_shows_results_and_awaits_streams(notebook: Notebook) -> None:
    assert notebook.run(BEGIN) == ""
    assert notebook.run("engine").startswith("Engine('tiny', components=['vision-language'")
    shown = notebook.run("app.embed(loam.Input.text('two cats'))")
    assert shown.startswith("Embedding(vector=array([") and "component='text'" in shown
    shown = notebook.run("app.adapter('none')")
    assert shown.startswith("UnknownAdapter: ") and "'none'" in shown
    plain = notebook.run("print(app.generate('The cat', max_tokens=9).text())")
    # A cell runs within an event loop.
    awaited = notebook.run(
        """
        async for event in app.generate('The cat', max_tokens=9):
            if isinstance(event, loam.Event.TEXT):
                print(event.text, end="")
        print()
        """
    )
    assert awaited == plain != ""
    assert notebook.run("event").startswith("Event.DONE(stats=GenerateStats(finish_reason=")


def test_an_interrupted_cell_leaves_nothing_running(notebook: Notebook) -> None:
    notebook.run(BEGIN + "import time\nsession = app.chat()")
    notebook.client.execute(
        textwrap.dedent(
            """
            with session.respond("Hello", max_tokens=900) as stream:
                for event in stream:
                    print("text", flush=True)
                    time.sleep(0.05)
            """
        )
    )
    # The first output says that the stream runs.
    while True:
        message: dict[str, Any] = notebook.client.get_iopub_msg(timeout=60)
        if message["msg_type"] == "stream":
            break
    notebook.manager.interrupt_kernel()
    assert "KeyboardInterrupt" in notebook.output()
    assert notebook.run("print(len(session.messages()), stream.is_finished)") == "2 True\n"
    with pytest.raises(Empty):
        notebook.client.get_iopub_msg(timeout=0.2)
