"""The waiting room: admission, order, pace, time-out, failure, and clients that leave."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from scaler.ingress.waiting_room import (
    BATCH_INTERVAL_S,
    BATCH_PER_REPLICA,
    RETRY_WHEN_FULL_S,
    Refused,
    Released,
    WaitingRoom,
)
from scaler.model import Hold
from scaler.ports.recorder import HoldOutcome
from scaler.testing import virtual_time


class Notes:
    """What the room told."""

    def __init__(self) -> None:
        self.present = 0
        self.ends: list[tuple[HoldOutcome, float]] = []
        self.answers: Counter[HoldOutcome] = Counter()

    def arrived(self) -> None:
        self.present += 1

    def ended(self, outcome: HoldOutcome, held_s: float) -> None:
        self.present -= 1
        self.ends.append((outcome, held_s))

    def answered(self, outcome: HoldOutcome) -> None:
        self.answers[outcome] += 1


class Visit:
    """A room with requests in it, numbered as they came."""

    def __init__(self, hold: Hold | None = None) -> None:
        self.notes = Notes()
        self.room = WaitingRoom(hold or Hold(), self.notes)
        self.requests: list[asyncio.Task[Released | Refused]] = []
        self.order: list[int] = []

    async def come(self, count: int = 1) -> None:
        for number in range(len(self.requests), len(self.requests) + count):
            self.requests.append(asyncio.create_task(self._request(number)))
        await settle()

    async def _request(self, number: int) -> Released | Refused:
        result = await self.room.wait()
        self.order.append(number)
        return result

    async def results(self) -> list[Released | Refused]:
        return await asyncio.gather(*self.requests)


async def settle() -> None:
    """Let everything run that can run now."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_requests_wait_until_it_opens_and_are_told_how_long() -> None:
    async def story() -> None:
        visit = Visit()
        await visit.come(2)
        assert visit.room.held == visit.notes.present == 2
        await asyncio.sleep(3)
        visit.room.open(1)
        assert await visit.results() == [Released(3.0), Released(3.0)]
        assert visit.room.held == visit.notes.present == 0
        assert visit.notes.ends == [(HoldOutcome.RELEASED, 3.0)] * 2

    virtual_time.run(story())


def test_a_request_that_comes_while_it_is_open_goes_on_at_once() -> None:
    async def story() -> None:
        visit = Visit()
        visit.room.open(1)
        await visit.come()
        assert await visit.results() == [Released(0.0)]
        assert visit.notes.ends == [(HoldOutcome.RELEASED, 0.0)]

    virtual_time.run(story())


@pytest.mark.parametrize("replicas", [1, 3])
def test_release_keeps_the_order_and_the_pace_of_the_replicas(replicas: int) -> None:
    async def story() -> None:
        visit = Visit()
        await visit.come(100)
        visit.room.open(replicas)
        await settle()
        assert visit.order == list(range(BATCH_PER_REPLICA * replicas))
        await visit.come()  # one more, behind all others
        await visit.results()
        assert visit.order == list(range(101))
        assert asyncio.get_running_loop().time() == pytest.approx(
            BATCH_INTERVAL_S * (100 // (BATCH_PER_REPLICA * replicas))
        )

    virtual_time.run(story())


def test_it_stops_in_the_middle_when_it_closes_and_goes_on_in_order() -> None:
    async def story() -> None:
        visit = Visit()
        await visit.come(12)
        visit.room.open(1)
        await settle()
        visit.room.close()
        await asyncio.sleep(10)
        assert visit.room.held == 12 - BATCH_PER_REPLICA
        visit.room.open(1)
        await visit.results()
        assert visit.order == list(range(12))

    virtual_time.run(story())


def test_one_too_many_is_refused_at_once_and_counts_nowhere() -> None:
    async def story() -> None:
        visit = Visit(Hold(max_requests=3))
        await visit.come(4)
        refused = await visit.requests[3]
        assert isinstance(refused, Refused)
        assert (refused.status, refused.retry_after_s, refused.outcome) == (
            503,
            RETRY_WHEN_FULL_S,
            HoldOutcome.REFUSED,
        )
        assert visit.room.held == visit.notes.present == 3
        assert visit.notes.answers == {HoldOutcome.REFUSED: 1}
        visit.room.open(1)
        await visit.results()

    virtual_time.run(story())


def test_each_request_waits_its_own_time_at_most() -> None:
    async def story() -> None:
        visit = Visit(Hold(timeout_s=10))
        await visit.come()
        await asyncio.sleep(4)
        await visit.come()
        first, second = await visit.results()
        assert asyncio.get_running_loop().time() == pytest.approx(14)
        assert isinstance(first, Refused)
        assert isinstance(second, Refused)
        assert first.outcome is second.outcome is HoldOutcome.TIMED_OUT
        assert first.held_s == pytest.approx(10)
        assert [held for _, held in visit.notes.ends] == pytest.approx([10, 10])

    virtual_time.run(story())


def test_the_time_of_one_that_left_is_not_that_of_the_next() -> None:
    async def story() -> None:
        visit = Visit(Hold(timeout_s=10))
        await visit.come()
        await asyncio.sleep(4)
        await visit.come()
        visit.requests.pop(0).cancel()
        await asyncio.sleep(9)
        assert visit.room.held == 1
        await visit.results()
        assert asyncio.get_running_loop().time() == pytest.approx(14)

    virtual_time.run(story())


def test_a_client_that_leaves_counts_no_longer_and_takes_nobodys_turn() -> None:
    async def story() -> None:
        visit = Visit(Hold(max_requests=200))
        await visit.come(200)
        for request in visit.requests[:199]:
            request.cancel()
        await settle()
        assert visit.room.held == visit.notes.present == 1
        assert Counter(outcome for outcome, _ in visit.notes.ends) == {HoldOutcome.GONE: 199}
        visit.room.open(1)
        assert await visit.requests[199] == Released(0.0)

    virtual_time.run(story())


def test_a_client_that_leaves_at_the_moment_of_release_is_gone() -> None:
    async def story() -> None:
        visit = Visit()
        await visit.come(2)
        visit.requests[0].cancel()
        visit.room.open(1)
        visit.requests[1].cancel()
        await settle()
        assert visit.room.held == visit.notes.present == 0
        assert [outcome for outcome, _ in visit.notes.ends] == [HoldOutcome.GONE] * 2

    virtual_time.run(story())


def test_a_failure_answers_those_that_wait_and_those_that_come_until_it_is_over() -> None:
    async def story() -> None:
        visit = Visit()
        await visit.come(2)
        await asyncio.sleep(1)
        visit.room.fail("the image does not exist", 30)
        await visit.come()
        for refused in await visit.results():
            assert isinstance(refused, Refused)
            assert (refused.status, refused.reason, refused.retry_after_s) == (503, "the image does not exist", 30)
        assert visit.notes.ends == [(HoldOutcome.FAILED, 1.0)] * 2
        assert visit.notes.answers == {HoldOutcome.FAILED: 1}
        visit.room.recovered()
        await visit.come()
        assert visit.room.held == 1
        visit.room.open(1)
        assert await visit.requests[3] == Released(0.0)

    virtual_time.run(story())


def test_what_works_is_not_refused_for_what_failed() -> None:
    async def story() -> None:
        visit = Visit()
        visit.room.open(1)
        visit.room.fail("a second replica cannot start", 30)
        await visit.come()
        assert await visit.results() == [Released(0.0)]

    virtual_time.run(story())


def test_opening_ends_a_failure() -> None:
    async def story() -> None:
        visit = Visit()
        visit.room.fail("it crashed", 30)
        visit.room.open(1)
        visit.room.close()
        assert not visit.room.failing

    virtual_time.run(story())


def test_limits_that_change_hold_for_those_that_wait() -> None:
    async def story() -> None:
        visit = Visit(Hold(timeout_s=100, max_requests=1))
        await visit.come()
        visit.room.hold = Hold(timeout_s=200, max_requests=2)
        await visit.come()
        await asyncio.sleep(150)
        assert visit.room.held == 2
        await visit.results()
        assert asyncio.get_running_loop().time() == pytest.approx(200)

    virtual_time.run(story())


def test_a_shorter_time_holds_for_those_that_wait() -> None:
    async def story() -> None:
        visit = Visit(Hold(timeout_s=1000))
        await visit.come()
        await asyncio.sleep(50)
        await visit.come()
        visit.room.hold = Hold(timeout_s=60)
        await visit.results()
        assert asyncio.get_running_loop().time() == pytest.approx(110)

    virtual_time.run(story())
