"""What every scaler promises, as test suites: a plugin's author subclasses them and gives access to the source.

The helpers go around the scaler, so that what it reports is checked against the source itself. A subclass whose name
starts with `Test` is collected by pytest (with pytest-asyncio in auto mode); the suites themselves are not.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ClassVar

import pytest

from scaler.engine.connections import SharedConnections
from scaler.ports.errors import SourceError, SourceRejected, SourceUnavailable
from scaler.testing.declaration_contract import DeclarationContract
from scaler.testing.driving import DEADLINE_S, POLL_S, Wakeups, is_active, needs, read, read_after_outage, shown_secrets
from scaler.testing.leaks import no_leaks, until


class ScalerContract(DeclarationContract):
    """The promises of `scaler.ports.scaler.Scaler`.

    Attributes:
        activation_parameter: Name of the parameter that sets the activation threshold; None when there is none.
        missing_is: What a source that does not exist gives: a value, or the error that is documented.
        can_fail: False for a source that is always there, such as a clock: nothing missing or broken is asked for.
        backlogs: Numbers of items that the source is to hold in turn.
    """

    can_fail: ClassVar[bool] = True
    backlogs: ClassVar[tuple[int, ...]] = (1, 7, 3, 0)
    activation_parameter: ClassVar[str | None] = None
    missing_is: ClassVar[float | type[SourceError]] = SourceRejected

    def missing(self) -> dict[str, Any]:
        """Return the same for a source that does not exist at the server."""
        raise NotImplementedError

    @abstractmethod
    def wrong_credentials(self) -> dict[str, Any] | None:
        """Return the same with credentials that the server refuses, or None when it knows none."""

    @abstractmethod
    async def set_backlog(self, items: int) -> None:
        """Make the source hold that many items."""

    @abstractmethod
    async def backlog(self) -> int:
        """Return how many the source holds."""

    async def break_source(self) -> None:
        """Stop the server: nobody listens any more."""
        raise NotImplementedError

    async def restore_source(self) -> None:
        """Start it again, at the same place."""
        raise NotImplementedError

    async def freeze_source(self) -> None:
        """Let the server accept and never answer; a source that is no server need not."""
        pytest.skip("the source cannot be frozen")

    async def thaw_source(self) -> None:
        """Let it answer again."""

    @asynccontextmanager
    async def open(self, parameters: Mapping[str, Any] | None = None) -> AsyncIterator[Any]:
        """Open the scaler, and see that closing it leaves nothing behind."""
        async with (
            SharedConnections() as connections,
            no_leaks(),
            self.scaler.open(self.config(parameters), connections) as scaler,
        ):
            yield scaler

    async def test_an_empty_source_is_zero_and_inactive(self) -> None:
        async with self.open() as scaler:
            reading = await read(scaler)
        assert reading.value == 0
        assert not is_active(reading, self.config())

    async def test_value_is_the_backlog_and_zero_once_it_is_drained(self) -> None:
        async with self.open() as scaler:
            for items in self.backlogs:
                await self.set_backlog(items)
                assert (await read(scaler)).value == items

    async def test_active_above_the_activation_threshold_and_not_at_it(self) -> None:
        if self.activation_parameter is None:
            pytest.skip("the scaler has no activation threshold")
        parameters = {**self.parameters(), self.activation_parameter: "3"}
        async with self.open(parameters) as scaler:
            for items, active in ((3, False), (4, True)):
                await self.set_backlog(items)
                assert is_active(await read(scaler), self.config(parameters)) is active

    async def test_a_source_that_does_not_exist_gives_what_is_documented(self) -> None:
        needs(self.can_fail, "the source cannot fail")
        async with self.open(self.missing()) as scaler:
            if isinstance(self.missing_is, type):
                with pytest.raises(self.missing_is):
                    await read(scaler)
            else:
                assert (await read(scaler)).value == self.missing_is

    async def test_wrong_credentials_are_rejected(self) -> None:
        wrong = self.wrong_credentials()
        if wrong is None:
            pytest.skip("the source knows no credentials")
        async with self.open(wrong) as scaler:
            with pytest.raises(SourceRejected) as caught:
                await read(scaler)
        assert not shown_secrets(self.config(wrong), str(caught.value))

    async def test_an_outage_is_unavailable_and_ends_without_reopening(self) -> None:
        needs(self.can_fail, "the source cannot fail")
        await self.set_backlog(2)
        async with self.open() as scaler:
            assert (await read(scaler)).value == 2
            await self.break_source()
            async with asyncio.timeout(DEADLINE_S):
                with pytest.raises(SourceUnavailable):
                    await scaler.read()
            await self.restore_source()
            await self.set_backlog(5)
            assert (await read_after_outage(scaler)).value == 5

    async def test_a_source_that_never_answers_leaves_the_scaler_usable(self) -> None:
        async with self.open() as scaler:
            await read(scaler)
            await self.freeze_source()
            try:
                with pytest.raises((TimeoutError, SourceUnavailable)):
                    async with asyncio.timeout(0.2):
                        await scaler.read()
            finally:
                await self.thaw_source()
            await self.set_backlog(4)
            assert (await read_after_outage(scaler)).value == 4

    async def test_cancelling_a_read_propagates_and_leaves_others_alone(self) -> None:
        items = max(self.backlogs)
        await self.set_backlog(items)
        async with self.open() as scaler:
            async with asyncio.TaskGroup() as tasks:
                cancelled = tasks.create_task(scaler.read())
                other = tasks.create_task(read(scaler))
                await asyncio.sleep(0)
                cancelled.cancel()
            assert cancelled.cancelled() or not self.can_fail  # what always answers may have done so at once
            assert other.result().value == items
            assert (await read(scaler)).value == items

    async def test_concurrent_reads_agree(self) -> None:
        await self.set_backlog(max(self.backlogs))
        async with self.open() as scaler, asyncio.TaskGroup() as tasks:
            reads = [tasks.create_task(read(scaler)) for _ in range(8)]
        assert {task.result().value for task in reads} == {max(self.backlogs)}

    async def test_reading_consumes_nothing(self) -> None:
        await self.set_backlog(max(self.backlogs))
        async with self.open() as scaler:
            for _ in range(3):
                await read(scaler)
        assert await self.backlog() == max(self.backlogs)

    async def test_closing_leaves_nothing_and_opening_works_again(self) -> None:
        for _ in range(2):
            async with self.open() as scaler:
                await read(scaler)

    async def test_opening_without_a_server_succeeds_and_reading_says_so(self) -> None:
        needs(self.can_fail, "the source cannot fail")
        await self.break_source()
        try:
            async with asyncio.timeout(DEADLINE_S), self.open() as scaler:
                with pytest.raises(SourceUnavailable):
                    await scaler.read()
        finally:
            await self.restore_source()

    async def test_triggers_of_one_source_share_a_client(self) -> None:
        counts: list[int] = []
        async with (
            SharedConnections(lambda _kind, count: counts.append(count)) as connections,
            self.scaler.open(self.config(), connections) as one,
            self.scaler.open(self.config(), connections) as other,
        ):
            await read(one)
            await read(other)
        assert max(counts, default=0) <= 1


class PushScalerContract(ScalerContract):
    """The promises of `scaler.ports.scaler.PushScaler`, besides those of any scaler."""

    async def test_a_new_item_wakes_and_silence_does_not(self) -> None:
        async with self.open() as scaler, Wakeups(scaler) as wakeups, asyncio.timeout(2 * DEADLINE_S):
            # An item may wake late, in the midst of silence; what silence itself wakes, it wakes each time.
            while await self.wakes_in_silence(scaler, wakeups):
                pass

    async def test_many_items_are_no_storm_of_wakeups(self) -> None:
        async with self.open() as scaler, Wakeups(scaler) as wakeups:
            await self.until_woken(wakeups)
            await wakeups.settle()
            before = wakeups.count
            await self.set_backlog(50)
            await until(lambda: wakeups.count > before)
            await wakeups.settle()
            assert wakeups.count - before <= 50

    async def test_an_outage_ends_waiting_with_an_error_and_it_can_be_started_again(self) -> None:
        needs(self.can_fail, "the source cannot fail")
        async with self.open() as scaler:
            async with Wakeups(scaler) as wakeups:
                await self.until_woken(wakeups)
                await self.break_source()
                async with asyncio.timeout(DEADLINE_S):
                    with pytest.raises(SourceError):
                        await wakeups.ended()
            await self.restore_source()
            await read_after_outage(scaler)
            async with Wakeups(scaler) as wakeups:
                await self.until_woken(wakeups)

    async def test_waiting_ends_when_the_scaler_is_closed(self) -> None:
        async with AsyncExitStack() as waiting:
            async with self.open() as scaler:
                wakeups = await waiting.enter_async_context(Wakeups(scaler))
                await self.until_woken(wakeups)
            async with asyncio.timeout(DEADLINE_S):
                await wakeups.ended()

    async def test_whoever_stops_waiting_leaves_the_others_alone(self) -> None:
        async with self.open() as scaler, Wakeups(scaler) as staying:
            async with Wakeups(scaler) as leaving:
                await self.until_woken(leaving)
            await self.until_woken(staying)

    async def wakes_in_silence(self, scaler: Any, wakeups: Wakeups) -> bool:
        """Add items, and see whether anything wakes after them while nothing comes: they are read, and taken away."""
        await self.until_woken(wakeups)
        await wakeups.settle()
        before = wakeups.count
        for _ in range(3):
            await read(scaler)
        await self.set_backlog(0)
        await wakeups.settle()
        return wakeups.count > before

    async def until_woken(self, wakeups: Wakeups) -> None:
        """Add items until one wakes: the first may come before the subscription stands."""
        await wakeups.settle()
        before, items = wakeups.count, 0
        async with asyncio.timeout(DEADLINE_S):
            while wakeups.count == before:
                items += 1
                await self.set_backlog(items)
                await asyncio.sleep(POLL_S)
