"""Batches: gathered, asked once, failed at once while the server is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from scaler.clients.batcher import Batcher
from scaler.ports.errors import SourceError, SourceRejected, SourceUnavailable
from scaler.testing.driving import DEADLINE_S
from scaler.testing.leaks import no_leaks


class Doubling:
    """A server that doubles numbers, refuses 13, and can be lost."""

    def __init__(self) -> None:
        self.batches: list[Sequence[int]] = []
        self.lost: SourceError | None = None
        self.told: list[str] = []
        self.tries = 0

    async def exchange(self, numbers: Sequence[int]) -> list[int | SourceError]:
        self.batches.append(numbers)
        if self.lost is not None:
            raise self.lost
        await asyncio.sleep(0.005)
        return [SourceRejected("unlucky") if number == 13 else 2 * number for number in numbers]

    async def revive(self) -> None:
        self.tries += 1
        if self.lost is not None:
            raise self.lost


@asynccontextmanager
async def batching(server: Doubling) -> AsyncIterator[Batcher[int, int]]:
    batcher: Batcher[int, int] = Batcher(
        "doubler", exchange=server.exchange, revive=server.revive, on_lost=lambda error: server.told.append(str(error))
    )
    async with no_leaks():
        serving = asyncio.create_task(batcher.serve())
        try:
            yield batcher
        finally:
            serving.cancel()
            await asyncio.wait((serving,))


async def test_questions_that_come_together_are_one_batch_and_equal_ones_are_asked_once() -> None:
    server = Doubling()
    async with batching(server) as batcher:
        assert await asyncio.gather(*(batcher.ask(number) for number in (1, 2, 1, 3))) == [2, 4, 2, 6]
    assert server.batches == [(1, 2, 3)]


async def test_a_refused_question_does_not_disturb_the_others() -> None:
    async with batching(Doubling()) as batcher:
        one, refused = await asyncio.gather(batcher.ask(1), batcher.ask(13), return_exceptions=True)
    assert one == 2
    assert isinstance(refused, SourceRejected)


async def test_who_stops_waiting_takes_nothing_from_others_who_asked_the_same() -> None:
    server = Doubling()
    async with batching(server) as batcher:
        leaving, staying = (asyncio.create_task(batcher.ask(4)) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        assert await staying == 8
        forgotten = asyncio.create_task(batcher.ask(5))
        await asyncio.sleep(0)
        forgotten.cancel()
        assert await batcher.ask(6) == 12
    assert server.batches == [(4,), (6,)]


async def test_a_lost_server_fails_everyone_at_once_and_is_tried_by_one_loop() -> None:
    server = Doubling()
    async with batching(server) as batcher:
        server.lost = SourceUnavailable("gone")
        errors = await asyncio.gather(*(batcher.ask(number) for number in range(5)), return_exceptions=True)
        assert [str(error) for error in errors] == ["gone"] * 5
        assert len({id(error) for error in errors}) == 5
        for number in range(100):
            with pytest.raises(SourceUnavailable) as caught:
                await batcher.ask(number)
            assert caught.value.logged
        assert len(server.batches) == 1
        while server.tries < 2:
            await asyncio.sleep(0.005)
        server.lost = None
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    assert await batcher.ask(7) == 14
                    break
                except SourceUnavailable:
                    await asyncio.sleep(0.005)
    assert set(server.told) == {"gone"}


async def test_closing_ends_what_waits() -> None:
    server = Doubling()
    async with batching(server) as batcher:
        waiting = asyncio.create_task(batcher.ask(1))
        await asyncio.sleep(0)
    with pytest.raises(SourceUnavailable, match="closed"):
        await waiting


async def test_what_is_asked_after_closing_is_told_so() -> None:
    async with batching(Doubling()) as batcher:
        await batcher.ask(1)
    with pytest.raises(SourceUnavailable, match="closed"):
        await batcher.ask(1)


async def test_a_cancellation_that_a_library_raises_is_an_outage_and_passes() -> None:
    server = Doubling()
    exchange, gives_up = server.exchange, True

    async def cancelled(numbers: Sequence[int]) -> list[int | SourceError]:
        if gives_up:
            raise asyncio.CancelledError
        return await exchange(numbers)

    server.exchange = cancelled  # type: ignore[method-assign]
    async with batching(server) as batcher, asyncio.timeout(DEADLINE_S):
        with pytest.raises(SourceUnavailable, match="connection was lost"):
            await batcher.ask(1)
        gives_up = False
        while True:
            try:
                assert await batcher.ask(1) == 2
                break
            except SourceUnavailable:
                await asyncio.sleep(0.005)
