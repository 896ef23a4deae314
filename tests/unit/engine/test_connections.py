"""Shared clients: opened once, closed after the last user, and one that breaks does not harm the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress

import pytest
from structlog.testing import capture_logs

from scaler.engine.connections import CLOSE_DEADLINE_S, SharedConnections
from scaler.ports.errors import SourceUnavailable
from scaler.testing import virtual_time
from scaler.testing.leaks import no_leaks


class Client:
    """Counts how often it is opened and closed, and holds a task group as real clients do."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0
        self.crash = asyncio.Event()
        self.may_open = asyncio.Event()
        self.may_open.set()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Client]:
        await self.may_open.wait()
        async with asyncio.TaskGroup() as tasks:
            background = tasks.create_task(self._run())
            self.opened += 1
            try:
                yield self
            finally:
                self.closed += 1
                background.cancel()

    async def _run(self) -> None:
        await self.crash.wait()
        raise ZeroDivisionError


async def test_users_of_one_key_share_one_client_until_the_last_leaves() -> None:
    client = Client()
    counts: list[tuple[str, int]] = []
    async with no_leaks(), SharedConnections(lambda kind, count: counts.append((kind, count))) as connections:
        async with connections.shared("redis", "a", client.connect) as one:
            async with connections.shared("redis", "a", client.connect) as other:
                assert one is other is client
            assert client.closed == 0
        assert (client.opened, client.closed) == (1, 1)
    assert counts == [("redis", 1), ("redis", 0)]


async def test_other_keys_and_kinds_have_clients_of_their_own_and_are_counted_by_kind() -> None:
    counts: list[tuple[str, int]] = []
    async with (
        SharedConnections(lambda kind, count: counts.append((kind, count))) as connections,
        connections.shared("redis", "a", Client().connect),
        connections.shared("redis", "b", Client().connect),
        connections.shared("kafka", "a", Client().connect),
    ):
        assert counts == [("redis", 1), ("redis", 2), ("kafka", 1)]


async def test_a_client_opened_by_one_task_may_be_closed_by_another() -> None:
    """Each client lives in a task of its own, as a task group must be left by the task that entered it."""
    client = Client()
    first_has_it, first_may_leave = asyncio.Event(), asyncio.Event()
    async with no_leaks(), SharedConnections() as connections:

        async def first() -> None:
            async with connections.shared("redis", "a", client.connect):
                first_has_it.set()
                await first_may_leave.wait()

        async def second() -> None:
            await first_has_it.wait()
            async with connections.shared("redis", "a", client.connect):
                first_may_leave.set()
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(first())
            tasks.create_task(second())
    assert (client.opened, client.closed) == (1, 1)


async def test_a_borrower_cancelled_while_it_is_opened_leaves_it_to_the_others() -> None:
    client = Client()
    client.may_open.clear()
    async with no_leaks(), SharedConnections() as connections:

        async def borrow() -> Client:
            async with connections.shared("redis", "a", client.connect) as borrowed:
                return borrowed

        async with asyncio.TaskGroup() as tasks:
            impatient, patient = tasks.create_task(borrow()), tasks.create_task(borrow())
            await asyncio.sleep(0)
            impatient.cancel()
            await asyncio.sleep(0)
            client.may_open.set()
        assert impatient.cancelled()
        assert patient.result() is client


async def test_a_client_that_cannot_be_made_fails_its_borrowers_and_may_be_tried_again() -> None:
    client = Client()

    @asynccontextmanager
    async def fail() -> AsyncIterator[Client]:
        raise ZeroDivisionError
        yield client

    async with no_leaks(), SharedConnections() as connections:
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                await enter(connections, fail)
        assert await enter(connections, client.connect) is client


async def test_a_client_that_crashes_is_logged_and_made_anew_without_harm_to_others() -> None:
    broken, replacement, bystander = Client(), Client(), Client()
    async with no_leaks(), SharedConnections() as connections, AsyncExitStack() as stack:
        await stack.enter_async_context(connections.shared("redis", "b", bystander.connect))
        with capture_logs() as logs, pytest.raises(SourceUnavailable, match="the redis client crashed"):
            await crash_while_borrowed(connections, broken)
        assert broken.closed == 1
        assert [(entry["event"], entry["kind"]) for entry in logs] == [("shared_client_crashed", "redis")]
        assert await enter(connections, replacement.connect) is replacement
        assert bystander.closed == 0


async def test_a_client_that_crashes_as_it_opens_harms_no_other() -> None:
    broken, bystander = Client(), Client()
    broken.crash.set()

    @asynccontextmanager
    async def at_once() -> AsyncIterator[Client]:
        async with broken.connect() as client:
            # What runs beside fails meanwhile. It is cancelled for that when it has been lent, and not yet taken.
            await asyncio.sleep(0)
            yield client

    async with no_leaks(), SharedConnections() as connections, AsyncExitStack() as stack:
        await stack.enter_async_context(connections.shared("redis", "b", bystander.connect))
        with capture_logs() as logs, pytest.raises(SourceUnavailable, match="the redis client crashed"):
            async with connections.shared("redis", "a", at_once):
                await asyncio.sleep(10)
        assert [entry["event"] for entry in logs] == ["shared_client_crashed"]
        assert bystander.closed == 0


def test_a_client_that_hangs_while_it_closes_is_given_up() -> None:
    client = Client()

    @asynccontextmanager
    async def hanging() -> AsyncIterator[Client]:
        yield client
        await asyncio.sleep(3600)

    async def main() -> float:
        async with SharedConnections() as connections:
            await enter(connections, hanging)
        return asyncio.get_running_loop().time()

    with capture_logs() as logs:
        assert virtual_time.run(main()) == CLOSE_DEADLINE_S
    assert [entry["event"] for entry in logs] == ["shared_client_crashed"]


async def test_leaving_closes_what_is_still_borrowed() -> None:
    client = Client()
    async with no_leaks(), AsyncExitStack() as borrowers:
        async with SharedConnections() as connections:
            await borrowers.enter_async_context(connections.shared("redis", "a", client.connect))
        assert client.closed == 1


async def test_a_client_whose_opening_is_cut_off_is_unavailable() -> None:
    client = Client()
    client.may_open.clear()
    async with no_leaks(), asyncio.TaskGroup() as tasks:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.05), SharedConnections() as connections:
                tasks.create_task(expect_unavailable(connections, client.connect))
                await asyncio.sleep(0)


async def enter(connections: SharedConnections, connect: Callable[[], AbstractAsyncContextManager[Client]]) -> Client:
    async with connections.shared("redis", "a", connect) as client:
        return client


async def crash_while_borrowed(connections: SharedConnections, client: Client) -> None:
    async with connections.shared("redis", "a", client.connect):
        client.crash.set()
        await asyncio.sleep(10)


async def expect_unavailable(
    connections: SharedConnections, connect: Callable[[], AbstractAsyncContextManager[Client]]
) -> None:
    with pytest.raises(SourceUnavailable):
        await enter(connections, connect)
