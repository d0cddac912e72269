"""Streams in coroutines."""

from __future__ import annotations

import asyncio

import pytest
from generated import Listener
from scenario import wait_until_idle

import loam

PROMPT, TOKENS = "The cat", 40


async def texts(stream: loam.Stream) -> str:
    return "".join([event.text async for event in stream if isinstance(event, loam.Event.TEXT)])


def test_events_come_without_blocking_the_loop(app: loam.App) -> None:
    full = app.generate(PROMPT, max_tokens=TOKENS).text()

    async def main() -> tuple[list[str], int]:
        turns = 0

        async def tick() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        ticker = asyncio.create_task(tick())
        results = await asyncio.gather(*(texts(app.generate(PROMPT, max_tokens=TOKENS)) for _ in range(12)))
        ticker.cancel()
        return results, turns

    results, turns = asyncio.run(main())
    assert results == [full] * 12
    assert turns > 12


def test_100_streams_are_left_at_random_points(engine: loam.Engine, app: loam.App) -> None:
    full = app.generate(PROMPT, max_tokens=TOKENS).text()

    async def one(i: int) -> bool:
        stream, taken = app.generate(PROMPT, max_tokens=TOKENS), ""
        async for event in stream:
            taken += event.text if isinstance(event, loam.Event.TEXT) else ""
            if i % 4 and len(taken) > i % 23:
                break
        if i % 4 == 1:
            await asyncio.to_thread(stream.close)
        return full.startswith(taken) and (i % 4 != 0 or taken == full)

    async def main() -> list[bool]:
        return await asyncio.gather(*(one(i) for i in range(100)))

    assert all(asyncio.run(main()))
    assert wait_until_idle(engine) == 0


def test_a_task_that_is_cancelled_while_it_waits_stops_its_stream(engine: loam.Engine, app: loam.App) -> None:
    """The stream is held elsewhere, so that nothing but the cancellation stops it."""
    listener = Listener(seconds=0.002)
    # Its events go to the listener, so that whoever iterates waits.
    stream = loam.Stream(lambda _: listener.listen(app.chat(), "Hello", max_tokens=300))

    async def main() -> None:
        task = asyncio.create_task(texts(stream))
        # Cancelled before it began, it would not know of the stream.
        while stream._inbox.waker is None or not listener.events:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    stream.wait()
    last = listener.events[-1]
    assert isinstance(last, loam.Event.DONE) and last.stats.finish_reason == loam.FinishReason.STOPPED
    assert wait_until_idle(engine) == 0


def test_an_async_block_ends_its_stream(app: loam.App) -> None:
    async def main() -> loam.Stream:
        async with app.generate(PROMPT, max_tokens=900) as stream:
            async for _ in stream:
                break
        return stream

    stream = asyncio.run(main())
    assert stream.is_finished
    assert stream.stats is not None and stream.stats.finish_reason == loam.FinishReason.STOPPED


def test_a_failure_is_raised_in_the_coroutine(app: loam.App) -> None:
    async def main() -> None:
        async for _ in app.transcribe_stream(loam.Input.text("no sound")):
            pytest.fail("an event of a failed stream")

    with pytest.raises(loam.LoamError.Argument):
        asyncio.run(main())


def test_a_loop_may_close_while_a_stream_runs(engine: loam.Engine, app: loam.App) -> None:
    kept: list[loam.Stream] = []

    async def main() -> None:
        kept.append(app.generate(PROMPT, max_tokens=TOKENS))
        await kept[0].__anext__()

    asyncio.run(main())
    # The rest is taken without a loop.
    assert isinstance(list(kept[0])[-1], loam.Event.DONE)
    assert wait_until_idle(engine) == 0
