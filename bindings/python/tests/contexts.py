"""Cases of conversations that are saved, of what apps may ask for, and of memory."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from place import TINY
from scenario import Scenario, camel, kind, refusal, stats

import loam

MAIL = "com.example.mail"


def turn(session: loam.Session, text: str, max_tokens: int) -> tuple[str, loam.GenerateStats]:
    """A turn's text and cost."""
    stream = session.respond(text, max_tokens=max_tokens)
    return stream.text(), stats(stream)


def generated(app: loam.App, prompt: str, max_tokens: int, target: loam.Target | None = None) -> loam.GenerateStats:
    stream = app.generate(prompt, max_tokens=max_tokens, target=target)
    stream.text()
    return stats(stream)


def listed(quotas: loam.Quotas) -> list[int]:
    return [
        quotas.running,
        quotas.waiting,
        quotas.tokens_per_minute,
        quotas.adapters,
        quotas.adapter_bytes,
        quotas.contexts,
        quotas.bytes,
    ]


class Case(Scenario):
    """A case at work, of any operation."""

    def ask(self) -> loam.GenerateStats:
        return generated(self.app, self.args["prompt"], self.args["max_tokens"])

    def save(self) -> Any:
        """Goes on in another engine, as in another process."""
        tokens, following = self.args["max_tokens"], self.args["next"]
        session = self.app.chat(self.args["instructions"], adapter=self.install(self.app))
        for text in self.args["turns"]:
            turn(session, text, tokens)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "chat"
            session.save(file)
            unbroken, _ = turn(session, following, tokens)
            other = loam.Engine.open(TINY).attach(MAIL)
            restored = other.restore(file, adapter=self.install(other))
            text, cost = turn(restored, following, tokens)
            return {
                "text": text,
                "same": text == unbroken,
                "reused": cost.cached_tokens > 0,
                "context": camel(cost.context.name),
                "messages": len(restored.messages()),
                "other_adapter": refusal(lambda: other.restore(file)),
                "recomputed": len(other.restore(file, mismatch=loam.Mismatch.RECOMPUTE).messages()),
                "damaged": self.damaged(file),
            }

    def damaged(self, file: Path) -> list[Any]:
        """What becomes of a saved conversation with another bit, of half of one, and of none."""

        def restore() -> Any:
            return refusal(lambda: self.app.restore(file, mismatch=loam.Mismatch.RECOMPUTE))

        good = file.read_bytes()
        file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        flipped = restore()
        file.write_bytes(good[: len(good) // 2])
        cut = restore()
        file.unlink()
        return [flipped, cut, restore()]

    def target(self) -> Any:
        target = loam.Target(
            time_to_first_token_ms=self.args["time_to_first_token_ms"],
            tokens_per_second=self.args["tokens_per_second"],
        )
        cost = generated(self.app, self.args["prompt"], self.args["max_tokens"], target)
        achieved = cost.achieved
        return {
            "achieved": achieved and [achieved.time_to_first_token, achieved.tokens_per_second],
            "without": self.ask().achieved is not None,
            "context": camel(cost.context.name),
            "in_order": 0 <= cost.queue_ms <= cost.time_to_first_token_ms,
        }

    def usage(self) -> Any:
        cost = self.ask()
        usage = self.app.usage()
        counters = usage.counters
        return {
            "named": usage.app is not None and usage.app.endswith(MAIL),
            "waiting": usage.waiting,
            "requests": counters.requests,
            "refused": counters.refused,
            "finished": counters.finished,
            "generated": counters.generated_tokens,
            "prompt": counters.prompt_tokens == cost.prompt_tokens,
            "quotas": usage.quotas and listed(usage.quotas),
        }

    def quotas(self) -> Any:
        usual = self.engine.quotas(MAIL)
        self.engine.set_quotas(MAIL, loam.Quotas(tokens_per_minute=self.args["tokens_per_minute"]))
        self.ask()
        try:
            self.ask()
            raise AssertionError("it was accepted")
        except loam.LoamError.Refused as error:
            refused = error
        counted = self.app.usage().counters.refused
        self.engine.set_quotas(MAIL, loam.Quotas(adapters=0))
        return {
            "usual": usual == loam.Quotas(),
            "refused": [kind(refused), refused.code()],
            "named": "tokens per minute" in refused.reason,
            "later": refused.retry_after_ms > 1000,
            "counted": counted,
            "adapters": refusal(lambda: self.install(self.app)),
            "again": self.ask().generated_tokens > 0,
            "nobody": refusal(lambda: self.engine.set_quotas("no spaces", usual)),
        }

    def trim(self) -> Any:
        session, tokens = self.app.chat(), self.args["max_tokens"]
        _, first = turn(session, "Hello", tokens)
        before = self.engine.status()
        trimmed = self.engine.trim(loam.TrimLevel.IDLE)
        _, second = turn(session, "Why?", tokens)
        return {
            "first": camel(first.context.name),
            "rests": before.held.resting > 0,
            "contexts": trimmed.contexts > 0,
            "second": camel(second.context.name),
            "apps": len(before.apps),
            "finished": before.apps[0].counters.finished,
            "steps": before.steps > 0,
            "components": before.components,
        }

    def options(self) -> Any:
        tokens = self.args["max_tokens"]
        with tempfile.TemporaryDirectory() as folder:
            engine = loam.Engine.open(TINY, swap=folder)
            session = engine.attach(MAIL).chat()
            turn(session, "Hello", tokens)
            engine.trim(loam.TrimLevel.IDLE)
            _, swapped = turn(session, "Why?", tokens)
        small = loam.Engine.open(TINY, memory_budget=1).attach(MAIL)

        def size(cache_type: loam.CacheType) -> int:
            app = loam.Engine.open(TINY, cache_type=cache_type).attach(MAIL)
            return generated(app, "The cat", 1).cache_bytes

        halves = size(loam.CacheType.F16)
        return {
            "swapped": camel(swapped.context.name),
            "small": refusal(lambda: generated(small, "The cat", 1)),
            "types": [halves * 2 == size(loam.CacheType.F32), size(loam.CacheType.Q8) < halves],
        }
