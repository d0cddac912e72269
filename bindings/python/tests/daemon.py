"""A `loamd` of its own, as cargo built it, on the tiny foundation."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from place import LOAMD, TINY

import loam


class Daemon:
    """Runs from its start to the end of a `with` block; may be killed and started again in between."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "socket"
        self.state = folder / "state"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if not LOAMD.exists():
            raise FileNotFoundError(f"{LOAMD} is not there: run `make ffi` first")
        command: list[str | Path] = [LOAMD, "--foundation", TINY, "--socket", self.socket, "--state", self.state]
        self.process = subprocess.Popen(command, env={**os.environ, "LOAM_LOG": "off"})
        deadline = time.monotonic() + 20
        while True:
            try:
                loam.Engine.connect(self.socket)
                return
            except loam.LoamError.Disconnected:
                assert time.monotonic() < deadline, "loamd does not answer"
                time.sleep(0.005)

    def kill(self) -> None:
        """As a crash ends it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def __enter__(self) -> Daemon:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
