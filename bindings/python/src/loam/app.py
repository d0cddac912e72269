"""One app: its adapters, and what it asks for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from loam._ffi import loam_ffi as ffi
from loam.adapter import Adapter, inner
from loam.input import Input
from loam.records import (
    AppStatus,
    Classification,
    ImuSource,
    Mismatch,
    Modality,
    Priority,
    Regression,
    Sampling,
    Spelling,
    Tagging,
    Target,
    TranscribeOptions,
    Transcript,
)
from loam.results import Embedding, Speech, Upscaled
from loam.sensor import Sensor
from loam.session import Session, generate_options
from loam.stream import Stream
from loam.transcriber import Transcriber
from loam.variants import InstallPolicy, Repair


class App:
    """An app that is attached to an engine. It neither sees nor replaces the adapters of others.

    What does not return a :class:`Stream` blocks for as long as it works, while other Python threads go on: from a
    coroutine call it by ``asyncio.to_thread``. What needs a component that the foundation lacks raises
    ``LoamError.MissingComponent``, an adapter of another component ``LoamError.Adapter``, an input or an option out of
    range ``LoamError.Argument``.
    """

    def __init__(self, app: ffi.App) -> None:
        """For the package itself: apps come from :meth:`Engine.attach`."""
        self._inner = app

    @property
    def id(self) -> str:
        """Its name."""
        return self._inner.id()

    def __repr__(self) -> str:
        return f"App({self.id!r})"

    def usage(self) -> AppStatus:
        """What it is doing and what was done for it, with what it may ask for and hold."""
        return self._inner.usage()

    def install_adapter(
        self, alias: str, path: str | os.PathLike[str], policy: InstallPolicy | None = None
    ) -> Adapter:
        """Installs an adapter from a package file or a PEFT directory.

        Args:
            alias: the name that it is called by.
            path: the file or directory.
            policy: what to do when the alias is taken; refuse when absent.

        Raises:
            LoamError.Adapter: for one that does not fit, for a policy that forbids it, or a limit.
            LoamError.Io, LoamError.Malformed: for its file.
        """
        given: Any = InstallPolicy.CREATE() if policy is None else policy
        return Adapter(self._inner.install_adapter(alias, os.fspath(path), given))

    def adapter(self, alias: str) -> Adapter:
        """The current generation of an adapter.

        Raises:
            LoamError.UnknownAdapter: where there is none.
        """
        return Adapter(self._inner.adapter(alias))

    def adapters(self) -> list[Adapter]:
        """All installed adapters, by alias."""
        return [Adapter(adapter) for adapter in self._inner.adapters()]

    def remove_adapter(self, alias: str) -> None:
        """Removes an adapter; what runs with it goes on.

        Raises:
            LoamError.UnknownAdapter: where there is none.
        """
        self._inner.remove_adapter(alias)

    def classify(
        self,
        input: Input,
        labels: Sequence[str] = (),
        *,
        template: str | None = None,
        modality: Modality | None = None,
        adapter: Adapter | None = None,
    ) -> Classification:
        """Finds the label that fits: by the adapter's head, by the labels' sentences, or by the checkpoint's own classifier.

        Args:
            input: what to classify.
            labels: may be empty when the adapter or the checkpoint brings its own.
            template: sentence around a label for zero-shot classification, ``{}`` standing for it.
            modality: what the input shows, where its kind does not tell.
            adapter: whose head decides.
        """
        options = ffi.ClassifyOptions(labels=list(labels), template=template, modality=modality)
        return self._inner.classify(input._inner, options, inner(adapter))

    def embed(self, input: Input, *, modality: Modality | None = None, adapter: Adapter | None = None) -> Embedding:
        """Turns an input into a vector of the space that all encoders share."""
        return Embedding.of(self._inner.embed(input._inner, modality, inner(adapter)))

    def query(self, input: Input, entries: Modality) -> Embedding:
        """The vector by which ``input`` is looked up among embeddings of the kind ``entries``: a text finds pictures.

        Raises:
            LoamError.Unsupported: for spaces that cannot be compared.
        """
        return Embedding.of(self._inner.query(input._inner, entries))

    def regress(
        self, input: Input, *, modality: Modality | None = None, adapter: Adapter | None = None
    ) -> Regression:
        """Finds named values of an input, by a regression head."""
        return self._inner.regress(input._inner, modality, inner(adapter))

    def tag(self, text: str, adapter: Adapter) -> Tagging:
        """Finds the named parts of a text, and what it is where the adapter tells, by an adapter's head of tags."""
        return self._inner.tag(text, adapter._inner)

    def spell(self, input: Input, adapter: Adapter, *, modality: Modality | None = None) -> Spelling:
        """Finds what follows one another in an input, by an adapter's CTC head."""
        return self._inner.spell(input._inner, modality, adapter._inner)

    def speak(
        self, text: str, *, seed: int = 0, speaking_rate: float | None = None, speaker: int | None = None
    ) -> Speech:
        """Says a text aloud.

        Args:
            text: in the characters that the voice reads.
            seed: of chance: equal seeds give equal speech.
            speaking_rate: 1 for the trained speed, more for faster speech.
            speaker: index, for models of several.
        """
        options = ffi.SpeakOptions(seed=seed, speaking_rate=speaking_rate, speaker=speaker)
        return Speech.of(self._inner.speak(text, options))

    def upscale(self, input: Input, *, adapter: Adapter | None = None) -> Upscaled:
        """Makes a picture larger, by the factor of the foundation's network for super-resolution.

        Raises:
            LoamError.MissingComponent: for a foundation without one.
            LoamError.Argument: for an input that is no picture, or would become one of more than 48 million pixels.
        """
        return Upscaled.of(self._inner.upscale(input._inner, inner(adapter)))

    def transcribe(
        self, input: Input, options: TranscribeOptions | None = None, *, adapter: Adapter | None = None
    ) -> Transcript:
        """Writes down what is said in a sound.

        Raises:
            LoamError.Unsupported: for a foundation without a recogniser.
        """
        return self._inner.transcribe(input._inner, options or TranscribeOptions(), inner(adapter))

    def transcribe_stream(
        self, input: Input, options: TranscribeOptions | None = None, *, adapter: Adapter | None = None
    ) -> Stream:
        """Writes down what is said in a sound, as it is understood."""
        options = options or TranscribeOptions()
        return Stream(lambda sink: self._inner.transcribe_stream(input._inner, options, inner(adapter), sink))

    def transcriber(
        self, sample_rate: int, options: TranscribeOptions | None = None, *, adapter: Adapter | None = None
    ) -> Transcriber:
        """Begins to write down a stream of mono samples at ``sample_rate`` Hz.

        Raises:
            LoamError.Unsupported: for a foundation without a recogniser.
        """
        return Transcriber(self._inner.transcriber(sample_rate, options or TranscribeOptions(), inner(adapter)))

    def sensor(
        self,
        source: ImuSource,
        *,
        hop_seconds: float | None = None,
        repair: Repair | None = None,
        labels: Sequence[str] = (),
        template: str | None = None,
        adapter: Adapter | None = None,
    ) -> Sensor:
        """Begins to tell what a sensor's motion means.

        Args:
            source: how it is recorded.
            hop_seconds: from one window to the next; windows side by side when absent.
            repair: of gaps and of samples that are not finite; they are refused when absent.
            labels: as for :meth:`classify`.
            template: as for :meth:`classify`.
            adapter: whose head decides.
        """
        options = ffi.ClassifyOptions(labels=list(labels), template=template, modality=None)
        given: Any = Repair.REFUSE() if repair is None else repair
        return Sensor(self._inner.sensor(source, given, hop_seconds, options, inner(adapter)), source)

    def chat(self, instructions: str | None = None, *, adapter: Adapter | None = None) -> Session:
        """Begins a conversation. Instructions that an adapter brings are used where none are given."""
        return Session(self._inner.chat(instructions, inner(adapter)))

    def restore(
        self, path: str | os.PathLike[str], *, adapter: Adapter | None = None, mismatch: Mismatch = Mismatch.REFUSE
    ) -> Session:
        """Goes on with a conversation that :meth:`Session.save` wrote to a file.

        Args:
            path: the file.
            adapter: what the conversation was held with.
            mismatch: what is done where it was saved with other weights, or with another adapter.

        Raises:
            LoamError.Io, LoamError.Malformed, LoamError.Digest: for the file.
            LoamError.Context: for other weights or another adapter, where ``mismatch`` does not let them pass.
            LoamError.Memory: where it does not fit.
        """
        return Session(self._inner.restore(os.fspath(path), inner(adapter), mismatch))

    def generate(
        self,
        prompt: str,
        *,
        max_tokens: int = 256,
        sampling: Sampling | None = None,
        stop: Sequence[str] = (),
        priority: Priority | None = None,
        patience_ms: int | None = None,
        deadline_ms: int | None = None,
        target: Target | None = None,
        adapter: Adapter | None = None,
    ) -> Stream:
        """Continues a text as it stands. Options as in :meth:`Session.respond`."""
        options = generate_options(max_tokens, sampling, stop, priority, patience_ms, deadline_ms, target)
        return Stream(lambda sink: self._inner.generate(prompt, options, inner(adapter), sink))

    def answer(
        self,
        inputs: Sequence[Input],
        question: str,
        *,
        max_tokens: int = 256,
        sampling: Sampling | None = None,
        stop: Sequence[str] = (),
        priority: Priority | None = None,
        patience_ms: int | None = None,
        deadline_ms: int | None = None,
        target: Target | None = None,
        adapter: Adapter | None = None,
    ) -> Stream:
        """Answers a question about inputs. Options as in :meth:`Session.respond`."""
        options = generate_options(max_tokens, sampling, stop, priority, patience_ms, deadline_ms, target)
        given = [input._inner for input in inputs]
        return Stream(lambda sink: self._inner.answer(given, question, options, inner(adapter), sink))

    def caption(
        self,
        input: Input,
        *,
        max_tokens: int = 256,
        sampling: Sampling | None = None,
        stop: Sequence[str] = (),
        priority: Priority | None = None,
        patience_ms: int | None = None,
        deadline_ms: int | None = None,
        target: Target | None = None,
        adapter: Adapter | None = None,
    ) -> Stream:
        """Describes an input. Options as in :meth:`Session.respond`."""
        options = generate_options(max_tokens, sampling, stop, priority, patience_ms, deadline_ms, target)
        return Stream(lambda sink: self._inner.caption(input._inner, options, inner(adapter), sink))
