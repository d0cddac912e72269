"""Calls from many threads, and threads beside a call."""

from __future__ import annotations

import threading

import numpy as np
from place import SCENARIOS

import loam


def test_many_threads_call_at_once(engine: loam.Engine) -> None:
    """Every kind of call, on one app, from 12 threads: the results are those of one thread."""
    app = engine.attach("com.example.mail")
    text, sound = loam.Input.text("two cats"), loam.Input.wav_file(SCENARIOS / "noise.wav")
    vector, label = app.embed(text).vector.tobytes(), app.classify(sound).label
    story = app.generate("The cat", max_tokens=12).text()
    failures: list[BaseException] = []

    def work(i: int) -> None:
        try:
            for _ in range(10):
                assert app.embed(text).vector.tobytes() == vector
                assert app.classify(sound).label == label
                assert app.generate("The cat", max_tokens=12).text() == story
                alias = f"voice-{i}"
                path = SCENARIOS / "adapters/voice"
                assert app.install_adapter(alias, path, loam.InstallPolicy.UPSERT()).alias == alias
                assert alias in [adapter.alias for adapter in app.adapters()]
                app.remove_adapter(alias)
                engine.unload("text")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_other_threads_run_while_a_call_works(app: loam.App) -> None:
    """Ten minutes of sound take the engine long enough to count meanwhile."""
    sound = loam.Input.pcm(np.random.default_rng(2).normal(0, 0.1, 16_000 * 600), 16_000)
    done, counted = threading.Event(), [0]

    def count() -> None:
        while not done.is_set():
            counted[0] += 1

    thread = threading.Thread(target=count)
    thread.start()
    before = counted[0]
    app.transcribe(sound)
    during = counted[0] - before
    done.set()
    thread.join()
    assert during > 1000
