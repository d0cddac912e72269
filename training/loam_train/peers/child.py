"""One model in a process of its own: `python child.py FOLDER` answers the rows of `rows.pickle` one after another.

`peer.json` names the runtime, the libraries that are loaded before anything is measured, and the threads. On the standard
output comes one line of JSON: milliseconds of each row, bytes that the process holds for the model, and the answers.
The files are of the command that starts it: a pickle from elsewhere could run anything.
"""

from __future__ import annotations

import importlib
import json
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WARM = 5
"""Rows that are answered before time counts."""
Answer = Callable[[Any], Any]


def onnx(path: Path, threads: int) -> Answer:
    """A network or a forest; a row is its inputs in their order, the answer the place of the greatest of the last output."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Threads that wait leave the processor to others, as the foundation's do.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]
    outputs = [session.get_outputs()[-1].name]

    def answer(row: Any) -> int:
        (found,) = session.run(outputs, dict(zip(names, row, strict=True)))
        return int(found.argmax())

    return answer


def tflite(path: Path, threads: int) -> Answer:
    """A row is windows `[N, ...]`; the answer is the mean of the outputs."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=threads)
    interpreter.allocate_tensors()
    given, made = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def answer(row: Any) -> list[float]:
        total: Any = 0.0
        for window in row:
            interpreter.set_tensor(given["index"], window.reshape(given["shape"]))
            interpreter.invoke()
            total = total + interpreter.get_tensor(made["index"])[0].astype("float64")
        mean: list[float] = (total / len(row)).tolist()
        return mean

    return answer


def stored(path: Path, _: int) -> Answer:
    """A Python object that has learned: the row is a text."""
    with path.open("rb") as file:
        model = pickle.load(file)
    ask = model.answers if hasattr(model, "answers") else model.predict

    def answer(row: Any) -> str:
        return str(ask([row])[0])

    return answer


def sphinx(_: Path, __: int) -> Answer:
    """PocketSphinx with its own model of English; a row is samples of 16 bits at 16 kHz."""
    import pocketsphinx

    decoder = pocketsphinx.Decoder(samprate=16_000, loglevel="FATAL")

    def answer(row: Any) -> str:
        decoder.start_utt()
        decoder.process_raw(row.tobytes(), full_utt=True)
        decoder.end_utt()
        heard = decoder.hyp()
        return heard.hypstr if heard else ""

    return answer


def forest(path: Path, threads: int) -> Answer:
    """Trees over statistics of a window; a row is the window `[1, 6, steps]` and its steps."""
    from loam_train.baseline.forest import statistics

    inner = onnx(path, threads)

    def answer(row: Any) -> Any:
        return inner((statistics(*row),))

    return answer


RUNTIMES = {"onnx": onnx, "forest": forest, "tflite": tflite, "stored": stored, "sphinx": sphinx}


def held(name: str) -> int:
    """Bytes, as the system tells of this process."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (value,) = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return 1024 * int(value)


def main() -> None:
    folder = Path(sys.argv[1])
    described = json.loads((folder / "peer.json").read_text(encoding="utf-8"))
    rows = pickle.loads((folder / "rows.pickle").read_bytes())
    for name in described["libraries"]:
        importlib.import_module(name)
    # The most that was held so far is forgotten.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = held("VmRSS")
    answer = RUNTIMES[described["runtime"]](folder / "model", described["threads"])
    for row in rows[:WARM]:
        answer(row)
    times, answers = [], []
    for row in rows:
        begun = time.perf_counter()
        found = answer(row)
        times.append(1e3 * (time.perf_counter() - begun))
        answers.append(found)
    print(json.dumps({"ms": times, "held_bytes": max(0, held("VmHWM") - before), "answers": answers}))


if __name__ == "__main__":
    main()
