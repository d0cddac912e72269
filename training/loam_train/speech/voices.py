"""Voices that read texts: espeak-ng and flite by their commands, Piper's neural voices through ONNX Runtime."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from ..errors import InputError

Samples = NDArray[np.float32]

_SECONDS_TO_WAIT = 60
_NAME = re.compile(r"[A-Za-z0-9_+-]{1,64}")
_WARPS = 100
"""A warp is a ratio of whole numbers over this."""


@dataclass(frozen=True)
class Manner:
    """How a text is read."""

    engine: str
    """A key of `ENGINES`."""
    voice: str
    """As the engine names it; `us+f2` is a variant of a voice in espeak-ng."""
    rate: float
    """Relative speed, 0.5 to 2."""
    pitch: float
    """0 to 1, where the engine can."""
    warp: float
    """The sound is replayed so much faster, 0.8 to 1.25: another throat, as of a child or a giant."""

    def check(self, path: Path, row: int) -> None:
        """Raises `InputError` naming the row where a value is out of range: names become arguments of commands."""
        ranges = {"rate": (0.5, 2.0), "pitch": (0.0, 1.0), "warp": (0.8, 1.25)}
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(path, f"row {row}: {name} is {value!r}, expected {low} to {high}")
        if self.engine not in ENGINES:
            raise InputError(path, f"row {row}: engine is {self.engine!r}, expected one of {', '.join(ENGINES)}")
        if not _NAME.fullmatch(self.voice) or self.voice.startswith("-"):
            raise InputError(path, f"row {row}: voice is {self.voice!r}, expected a name of letters, digits, _ + -")


class Voice(Protocol):
    """An engine at work."""

    def read(self, text: str, manner: Manner) -> tuple[Samples, int]:
        """Mono samples within -1 to 1 and their rate."""


def _wav(content: bytes) -> tuple[Samples, int]:
    """The 16-bit samples of a WAV file whose header may not know its length, as of a pipe."""
    at = content.find(b"data", 12, 256)
    if content[:4] != b"RIFF" or at < 0:
        raise ValueError("no WAV file")
    rate = int.from_bytes(content[24:28], "little")
    body = content[at + 8 :]
    samples = np.frombuffer(body[: len(body) // 2 * 2], "<i2").astype(np.float32)
    return samples / np.float32(32768), rate


def _command(*words: str) -> bytes:
    try:
        done = subprocess.run(words, capture_output=True, check=False, timeout=_SECONDS_TO_WAIT)
    except OSError as error:
        raise InputError(Path(words[0]), f"{error.strerror}; install the package that brings it") from error
    if done.returncode:
        raise InputError(Path(words[0]), done.stderr.decode(errors="replace").strip() or f"exit {done.returncode}")
    return done.stdout


class Espeak:
    """Formant synthesis, 175 words a minute at rate 1."""

    def read(self, text: str, manner: Manner) -> tuple[Samples, int]:
        speed, pitch = str(round(175 * manner.rate)), str(round(99 * manner.pitch))
        return _wav(_command("espeak-ng", "-v", manner.voice, "-s", speed, "-p", pitch, "--stdout", "--", text))


class Flite:
    """CMU's voices: diphones (kal16) and statistical ones of recorded speakers (awb, rms, slt)."""

    def read(self, text: str, manner: Manner) -> tuple[Samples, int]:
        with tempfile.NamedTemporaryFile(suffix=".wav") as file:
            stretch = f"duration_stretch={1 / manner.rate:.3f}"
            _command("flite", "-voice", manner.voice, "--setf", stretch, "-t", text, "-o", file.name)
            return _wav(Path(file.name).read_bytes())


class Piper:
    """A neural voice of a Python package `<voice>_piper_voice` that holds `data/*.onnx` and its `.onnx.json`.

    Its noise is drawn by the runtime, so that equal manners give like sounds, not equal ones.
    """

    _CLAUSE = re.compile(r"[^,.;:?!()\"]+|[,.;:?!]")

    def __init__(self) -> None:
        self._open: dict[str, tuple[Any, dict[str, Any]]] = {}

    def _session(self, voice: str) -> tuple[Any, dict[str, Any]]:
        if voice not in self._open:
            import onnxruntime

            package = f"{voice}_piper_voice"
            found = importlib.util.find_spec(package)
            if found is None or found.origin is None:
                raise InputError(Path(package), "this Python package is not installed; it brings the voice")
            model = next((Path(found.origin).parent / "data").glob("*.onnx"))
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
            self._open[voice] = session, json.loads(model.with_suffix(".onnx.json").read_text(encoding="utf-8"))
        return self._open[voice]

    def _phonemes(self, text: str, accent: str) -> str:
        pieces = self._CLAUSE.findall(text)
        clauses = [piece.strip() for piece in pieces if piece.strip() and piece not in ",.;:?!"]
        read = _command("espeak-ng", "-q", "--ipa", "-v", accent, "--", "\n".join(clauses)).decode()
        lines = iter([line.strip() for line in read.splitlines() if line.strip()])
        out = ""
        for piece in pieces:
            if piece in ",.;:?!":
                out += piece
            elif piece.strip():
                out += (" " if out else "") + next(lines, "")
        return out

    def read(self, text: str, manner: Manner) -> tuple[Samples, int]:
        session, settings = self._session(manner.voice)
        table = settings["phoneme_id_map"]
        ids = [*table["^"], *table["_"]]
        for phoneme in self._phonemes(text, settings["espeak"]["voice"]):
            ids += [*table.get(phoneme, []), *(table["_"] if phoneme in table else [])]
        ids += table["$"]
        scales = np.array([0.4 + 0.5 * manner.pitch, 1 / manner.rate, 0.8], np.float32)
        inputs = {"input": np.array([ids]), "input_lengths": np.array([len(ids)]), "scales": scales}
        (sound,) = session.run(None, inputs)
        return np.asarray(sound, np.float32).reshape(-1), int(settings["audio"]["sample_rate"])


ENGINES: dict[str, type[Voice]] = {"espeak": Espeak, "flite": Flite, "piper": Piper}


class Readers:
    """Engines that are opened as they are needed, for sound at one rate."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._engines: dict[str, Voice] = {}

    def read(self, text: str, manner: Manner) -> Samples:
        """The text read aloud; empty where the engine has nothing to say."""
        engine = self._engines.setdefault(manner.engine, ENGINES[manner.engine]())
        samples, rate = engine.read(text, manner)
        return resample(samples, rate * manner.warp, self.rate)


def resample(samples: Samples, rate: float, wanted: int) -> Samples:
    """From `rate` to `wanted` Hz; fractions of a rate are rounded to `wanted / 100 / 100`-ths."""
    if not len(samples) or rate == wanted:
        return samples
    down = max(1, round(rate * _WARPS / (wanted / 100) / 100))
    out: Samples = resample_poly(samples, _WARPS, down).astype(np.float32)
    return out
