"""One case of the table, run through the package. `bindings/tests/scenarios/run.rs` does the same in Rust."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from place import SCENARIOS, TRAINED

import loam
from loam.self_test import provoke_panic, provoke_panic_in_worker

SOURCE = loam.ImuSource(
    rate=50.0,
    layout=loam.ImuLayout.ACCELEROMETER_GYROSCOPE,
    acceleration=loam.Acceleration.METERS_PER_SECOND_SQUARED,
    rotation=loam.AngularRate.RADIANS_PER_SECOND,
    gravity=loam.Gravity.INCLUDED,
    axes=loam.Axes.ANDROID,
)


def motion(file: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.fromfile(file, dtype="<f4").reshape(-1, 6)


def kind(error: loam.LoamError) -> str:
    return type(error).__name__


def camel(name: str) -> str:
    """A Python constant as Rust calls it."""
    return "".join(part.capitalize() for part in name.split("_"))


def refusal(call: Callable[[], object]) -> Any:
    """Kind of the failure that is expected, and its code."""
    try:
        call()
    except loam.LoamError as error:
        return [kind(error), error.code()]
    return "it was accepted"


def trace(trace: loam.Trace) -> dict[str, Any]:
    return {"path": trace.path, "steps": [step.component for step in trace.steps]}


def first(embedding: loam.Embedding) -> list[float]:
    return [float(value) for value in embedding.vector[:4]]


def stats(stream: loam.Stream) -> loam.GenerateStats:
    assert stream.stats is not None, "the stream has no end"
    return stream.stats


class Scenario:
    """A case at work."""

    def __init__(self, engine: loam.Engine, args: dict[str, Any]) -> None:
        self.engine = engine
        self.app = engine.attach("com.example.mail")
        self.args = args

    def outcome(self, op: str) -> Any:
        return getattr(self, op)()

    def install(self, app: loam.App, policy: loam.InstallPolicy | None = None) -> loam.Adapter | None:
        name = self.args.get("adapter")
        if name is None:
            return None
        own = SCENARIOS / "adapters" / name
        return app.install_adapter(name, own if own.exists() else TRAINED / name, policy)

    def installed(self, policy: loam.InstallPolicy) -> loam.Adapter:
        adapter = self.install(self.app, policy)
        assert adapter is not None, "a case with an adapter"
        return adapter

    def input(self) -> loam.Input:
        if "text" in self.args:
            return loam.Input.text(self.args["text"])
        if "picture" in self.args:
            return loam.Input.image_file(SCENARIOS / self.args["picture"])
        return loam.Input.wav_file(SCENARIOS / self.args["sound"])

    def respond(self, session: loam.Session, text: str) -> loam.Stream:
        return session.respond(text, max_tokens=self.args["max_tokens"])

    def foundation(self) -> Any:
        info = self.engine.foundation()
        components = [[component.name, component.kind] for component in info.components]
        return {"id": info.id, "version": info.version, "components": components}

    def classify(self) -> Any:
        adapter = self.install(self.app)
        return self.scores(self.app.classify(self.input(), self.args["labels"], adapter=adapter))

    def scores(self, result: loam.Classification) -> Any:
        scores = [[score.label, score.probability] for score in result.scores]
        return {"label": result.label, "scores": scores, "trace": trace(result.trace)}

    def pixels(self) -> Any:
        """Pixels by a rule, as grey and as RGBA: the same picture."""
        width, height = self.args["width"], self.args["height"]
        grey = (np.arange(width * height) * 7 % 256).astype(np.uint8).reshape(height, width)
        rgba = np.dstack([grey, grey, grey, np.full_like(grey, 255)])
        one, other = (self.app.embed(loam.Input.pixels(pixels)) for pixels in (grey, rgba))
        return {"first": first(one), "same": bool(np.array_equal(one.vector, other.vector))}

    def embed(self) -> Any:
        result = self.app.embed(self.input())
        return {"dim": len(result.vector), "first": first(result), "trace": trace(result.trace)}

    def retrieve(self) -> Any:
        index = loam.Index()
        for name in self.args["pictures"]:
            index.insert(name, self.app.embed(loam.Input.image_file(SCENARIOS / name)).vector)
        query = self.app.query(self.input(), loam.Modality.IMAGE)
        return [[match.key, match.similarity] for match in index.search(query.vector, self.args["count"])]

    def sense(self) -> Any:
        adapter = self.install(self.app)
        window = loam.Input.motion(motion(SCENARIOS / self.args["motion"])[:50], SOURCE)
        return self.scores(self.app.classify(window, adapter=adapter))

    def sensor(self) -> Any:
        sensor = self.app.sensor(SOURCE, hop_seconds=self.args["hop_seconds"], adapter=self.install(self.app))
        steps, samples = self.args["push_steps"], motion(SCENARIOS / self.args["motion"])
        sensed = [one for at in range(0, len(samples), steps) for one in sensor.push(samples[at : at + steps])]
        windows = [[one.start, one.end, one.classification.label] for one in sensed]
        return {"window_seconds": sensor.window_seconds, "windows": windows}

    def transcribe(self) -> Any:
        result = self.app.transcribe(self.input())
        segments = [[segment.start, segment.end, segment.text] for segment in result.segments]
        summary = result.summary
        return {"text": result.text, "segments": segments, "seconds": summary.seconds, "trace": trace(summary.trace)}

    def transcribe_stream(self) -> Any:
        text, partials = "", 0
        stream = self.app.transcribe_stream(self.input())
        for event in stream:
            match event:
                case loam.Event.SEGMENT(segment=segment):
                    text += segment.text
                case loam.Event.PARTIAL():
                    partials += 1
        assert stream.summary is not None
        return {"text": text, "partials": partials, "seconds": stream.summary.seconds}

    def transcriber(self) -> Any:
        # The samples of a plain WAV file begin after 44 bytes.
        samples = np.frombuffer((SCENARIOS / self.args["sound"]).read_bytes()[44:], dtype="<i2")
        chunk = 16 * self.args["chunk_ms"]
        transcriber = self.app.transcriber(16_000)
        events = [event for at in range(0, len(samples), chunk) for event in transcriber.push(samples[at : at + chunk])]
        end = transcriber.finish()
        texts = (event.segment.text for event in events + end.events if isinstance(event, loam.TranscriptEvent.SEGMENT))
        again = refusal(lambda: transcriber.push(np.zeros(1, np.int16)))
        return {"text": "".join(texts), "seconds": end.summary.seconds, "after_the_end": again}

    def chat(self) -> Any:
        session = self.app.chat(self.args.get("instructions"), adapter=self.install(self.app))
        turns = []
        for turn in self.args["turns"]:
            stream = self.respond(session, turn)
            text, cost = stream.text(), stats(stream)
            used = None if cost.adapter is None else cost.adapter.alias
            turns.append(
                {
                    "text": text,
                    "generated": cost.generated_tokens,
                    "reused": cost.cached_tokens > 0,
                    "adapter": used,
                    "path": cost.trace.path,
                }
            )
        return {"turns": turns, "roles": [message.role.name.lower() for message in session.messages()]}

    def generate(self) -> Any:
        stream = self.app.generate(self.args["prompt"], max_tokens=self.args["max_tokens"])
        return {"text": stream.text(), "reason": camel(stats(stream).finish_reason.name)}

    def answer(self) -> Any:
        tokens = self.args["max_tokens"]
        stream = self.app.answer([self.input()], self.args["question"], max_tokens=tokens)
        return {"text": stream.text(), **trace(stats(stream).trace)}

    def stop(self) -> Any:
        session = self.app.chat()
        stream, texts = self.respond(session, "Hello"), 0
        for event in stream:
            texts += isinstance(event, loam.Event.TEXT)
            if texts == self.args["after_events"]:
                break
        stream.close()
        following = session.respond("Go on", max_tokens=2)
        following.text()
        return {
            "texts": texts,
            "reason": camel(stats(stream).finish_reason.name),
            "finished": stream.is_finished,
            "messages": len(session.messages()),
            "next": stats(following).generated_tokens,
        }

    def busy(self) -> Any:
        session = self.app.chat()
        stream = self.respond(session, "Hello")
        second, messages = refusal(lambda: self.respond(session, "And")), refusal(session.messages)
        stream.stop()
        stream.text()
        return {"second": second, "messages": messages, "reason": camel(stats(stream).finish_reason.name)}

    def policies(self) -> Any:
        policy = loam.InstallPolicy
        old = self.installed(policy.CREATE())
        again = refusal(lambda: self.installed(policy.CREATE()))
        new = self.installed(policy.UPSERT())
        stale = refusal(lambda: self.installed(policy.COMPARE_AND_SWAP(old.generation)))
        newest = self.installed(policy.COMPARE_AND_SWAP(new.generation))
        # A generation that was replaced stays usable by who holds it.
        stream = self.app.chat(adapter=old).respond("Hello", max_tokens=4)
        stream.text()
        used = stats(stream).adapter
        listed = [adapter.alias for adapter in self.app.adapters()]
        self.app.remove_adapter(old.alias)
        return {
            "grows": old.generation < new.generation < newest.generation,
            "again": again,
            "stale": stale,
            "held": used is not None and used.generation == old.generation,
            "listed": listed,
            "removed": refusal(lambda: self.app.adapter(old.alias)),
            "component": old.component,
            "description": old.description,
        }

    def apps(self) -> Any:
        other, name = self.engine.attach("com.example.other"), self.args["adapter"]
        self.install(self.app)
        unseen = refusal(lambda: other.adapter(name))
        self.install(other)
        self.app.remove_adapter(name)
        bad = refusal(lambda: self.engine.attach("no spaces"))
        return {"ids": [self.app.id, other.id], "unseen": unseen, "kept": other.adapter(name).alias, "bad": bad}

    def refuse(self) -> Any:
        return {"refused": refusal(lambda: self.install(self.app)), "installed": len(self.app.adapters())}

    def bad_data(self) -> Any:
        picture = (SCENARIOS / "square.png").read_bytes()
        sound, text = loam.Input.pcm(np.array([0, 1], np.int16), 16_000), loam.Input.text("x")
        i16, rgb = loam.PcmFormat.I16, loam.PixelLayout.RGB
        return {
            "no_foundation": refusal(lambda: loam.Engine.open(SCENARIOS / "nowhere")),
            "half_a_picture": refusal(lambda: loam.Input.encoded_image(picture[: len(picture) // 2])),
            "no_picture": refusal(lambda: loam.Input.encoded_image(b"hello")),
            "few_pixels": refusal(lambda: loam.Input.pixel_bytes(bytes(5), rgb, 2, 2)),
            "no_sample": refusal(lambda: loam.Input.pcm(np.zeros(0, np.int16), 16_000)),
            "half_a_sample": refusal(lambda: loam.Input.pcm_bytes(bytes(1), i16, 16_000)),
            "not_a_number": refusal(lambda: loam.Input.pcm(np.array([np.nan], np.float32), 16_000)),
            "wrong_rate": refusal(lambda: loam.Input.pcm(np.zeros(1, np.int16), 5)),
            "one_step": refusal(lambda: loam.Input.motion(np.zeros((1, 6), np.float32), SOURCE)),
            "no_text": refusal(lambda: self.app.transcribe(text)),
            "no_label": refusal(lambda: self.app.classify(text)),
            "other_kind": refusal(lambda: self.app.embed(sound, modality=loam.Modality.DEPTH)),
        }

    def callback(self) -> Any:
        """The package has no callback of the caller's but in the generated layer, on which all streams rest."""
        from generated import Listener

        message = self.args["message"]
        listener = Listener(throws=message)
        handle = listener.listen(self.app.chat(), "Hello", max_tokens=50)
        try:
            handle.wait()
            failed: loam.LoamError | None = None
        except loam.LoamError as error:
            failed = error
        assert failed is not None, "the sink failed"
        told = isinstance(listener.events[-1], loam.Event.FAILED)
        return {"kind": kind(failed), "named": message in str(failed), "told": told, "answers": self.answers()}

    def panic(self) -> Any:
        caught = False
        try:
            provoke_panic()
        except loam.InternalError:
            caught = True
        failed = refusal(lambda: list(provoke_panic_in_worker(self.app)))
        return {"caught": caught, "kind": failed[0], "answers": self.answers()}

    def answers(self) -> bool:
        """Whether the engine still does."""
        stream = self.app.chat().respond("Hello", max_tokens=3)
        stream.text()
        return stats(stream).generated_tokens > 0

    def upscale(self) -> Any:
        made = self.app.upscale(self.input())
        height, width, _ = made.pixels.shape
        assert not made.pixels.flags.writeable
        return {
            "bytes": made.pixels.size,
            "width": width,
            "height": height,
            "mean": float(made.pixels.mean()),
            "trace": trace(made.trace),
        }

    def speak(self) -> Any:
        speech = self.app.speak(self.args["text"], seed=self.args["seed"])
        return {
            "samples": len(speech.samples),
            "sample_rate": speech.sample_rate,
            "loudest": float(np.abs(speech.samples).max()),
            "trace": trace(speech.trace),
        }

    def close(self) -> Any:
        self.answers()
        before, unloaded, after = self.loaded(), self.engine.unload("vision-language"), self.loaded()
        active = wait_until_idle(self.engine)
        return {"before": before, "unloaded": unloaded, "after": after, "active": active, "answers": self.answers()}

    def loaded(self) -> bool:
        return any(part.name == "vision-language" and part.loaded for part in self.engine.foundation().components)


def wait_until_idle(engine: loam.Engine, seconds: float = 1.0) -> int:
    """Streams that still run after at most that time: a worker counts as idle a moment after its stream's end."""
    end = time.monotonic() + seconds
    while engine.active_streams() > 0 and time.monotonic() < end:
        time.sleep(0.001)
    return engine.active_streams()


def differences(at: str, found: Any, expected: Any, tolerance: float = 1e-3) -> Iterator[str]:
    """Where two results differ; numbers may by a little, since sums in f32 depend on the processor."""
    match found, expected:
        case dict(), dict() if found.keys() == expected.keys():
            for key, value in expected.items():
                yield from differences(f"{at}.{key}", found[key], value, tolerance)
        case list(), list() if len(found) == len(expected):
            for i, (one, other) in enumerate(zip(found, expected)):
                yield from differences(f"{at}[{i}]", one, other, tolerance)
        case bool(), bool():
            if found is not expected:
                yield f"{at} is {found}, expected {expected}"
        case (int() | float()), (int() | float()) if not isinstance(found, bool) and not isinstance(expected, bool):
            # A comparison that is false for what is no number.
            if not abs(found - expected) <= tolerance:
                yield f"{at} is {found}, expected {expected}"
        case _:
            if type(found) is not type(expected) or found != expected:
                yield f"{at} is {found!r}, expected {expected!r}"
