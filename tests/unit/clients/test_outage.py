"""A lost server is looked for until it is back, whatever looking for it raises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from scaler.clients.outage import Outage
from scaler.ports.errors import SourceUnavailable
from scaler.testing import virtual_time
from scaler.testing.leaks import no_leaks


@asynccontextmanager
async def watched(revive: Callable[[], None]) -> AsyncIterator[Outage]:
    async def look() -> None:
        revive()

    outage = Outage("a server")
    async with no_leaks():
        watching = asyncio.create_task(outage.watch(look))
        try:
            yield outage
        finally:
            watching.cancel()
            await asyncio.wait((watching,))


@pytest.mark.parametrize("raised", [asyncio.CancelledError, ZeroDivisionError])
def test_what_a_library_raises_while_it_is_looked_for_does_not_lose_it_for_good(raised: type[BaseException]) -> None:
    async def scenario() -> None:
        tries = 0

        def revive() -> None:
            nonlocal tries
            tries += 1
            if tries < 4:
                raise raised("sesame")

        with capture_logs() as lines:
            async with watched(revive) as outage:
                outage.begin(SourceUnavailable("gone"))
                await asyncio.sleep(10)
                outage.raise_if_lost()
        assert tries == 4
        assert [line["event"] for line in lines] == ["source_lost", "source_not_tried", "source_returned"]
        assert "sesame" not in str(lines)

    virtual_time.run(scenario())


def test_a_server_that_is_lost_again_and_again_is_tried_less_and_less_often() -> None:
    async def scenario() -> None:
        returns = 0

        def revive() -> None:
            nonlocal returns
            returns += 1

        async with watched(revive) as outage:

            async def lose_it_for(seconds: float) -> int:
                before, until = returns, asyncio.get_running_loop().time() + seconds
                while asyncio.get_running_loop().time() < until:
                    if not outage.lost:
                        outage.begin(SourceUnavailable("gone"))
                    await asyncio.sleep(0.001)
                return returns - before

            await lose_it_for(5)
            assert await lose_it_for(10) <= 10 / 0.6
            # Once it has been there for a while, its next return is noticed as soon as that of any other.
            await asyncio.sleep(60)
            outage.begin(SourceUnavailable("gone"))
            await asyncio.sleep(0.1)
            assert not outage.lost

    virtual_time.run(scenario())
