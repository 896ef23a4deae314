"""What every scaler on the requests to the workload itself promises: a test suite on requests that a test makes up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

import pytest

from scaler.engine.connections import SharedConnections
from scaler.model import MetricType, TriggerKind
from scaler.ports.errors import SourceUnavailable
from scaler.ports.scaler import TrafficConfig, TrafficScaler
from scaler.testing.declaration_contract import DeclarationContract
from scaler.testing.leaks import no_leaks
from scaler.testing.traffic import FakeTraffic

# A push is due at once; nothing waits this long unless it fails.
PATIENCE_S = 60.0


class TrafficScalerContract(DeclarationContract):
    """The promises of `scaler.ports.scaler.TrafficScaler`.

    Attributes:
        forgotten_s: So long after the last request, nothing of it is left in a reading.
    """

    forgotten_s: float = 60.0

    @asynccontextmanager
    async def open(self, traffic: FakeTraffic, parameters: Mapping[str, Any] | None = None) -> AsyncIterator[Any]:
        """Open the scaler as the engine does."""
        async with SharedConnections() as connections, self.scaler.open(self.config(parameters), connections) as scaler:
            assert isinstance(scaler, TrafficScaler)
            scaler.attach(traffic)
            yield scaler

    async def test_no_request_is_zero_and_inactive(self) -> None:
        traffic = FakeTraffic()
        async with self.open(traffic) as scaler:
            for _ in range(3):
                reading = await scaler.read()
                assert (reading.value, reading.active, reading.error) == (0, False, None)
                traffic.wait(5)

    async def test_the_first_reading_knows_what_is_in_flight(self) -> None:
        traffic = FakeTraffic()
        traffic.come()
        async with self.open(traffic) as scaler:
            assert (await scaler.read()).active is True

    async def test_a_request_in_flight_is_active_however_long_it_takes(self) -> None:
        traffic = FakeTraffic()
        async with self.open(traffic) as scaler:
            await scaler.read()
            traffic.come()
            for _ in range(5):
                traffic.wait(3600)
                assert (await scaler.read()).active is True

    async def test_what_came_and_went_between_two_readings_is_active(self) -> None:
        traffic = FakeTraffic()
        async with self.open(traffic) as scaler:
            await scaler.read()
            traffic.wait(2)
            traffic.come()
            traffic.end()
            traffic.wait(2)
            assert (await scaler.read()).active is True

    async def test_after_the_last_request_it_becomes_inactive(self) -> None:
        traffic = FakeTraffic()
        async with self.open(traffic) as scaler:
            traffic.come(3)
            traffic.wait(1)
            await scaler.read()
            traffic.end(3)
            for _ in range(3):
                traffic.wait(self.forgotten_s)
                reading = await scaler.read()
            assert (reading.value, reading.active) == (0, False)

    async def test_more_requests_are_a_greater_value(self) -> None:
        traffic = FakeTraffic()
        async with self.open(traffic) as scaler:
            await scaler.read()
            values = []
            for _ in range(4):
                traffic.come(10)
                traffic.wait(1)
                values.append((await scaler.read()).value)
        assert values == sorted(set(values))

    async def test_a_mean_is_that_of_the_time_since_the_last_reading(self) -> None:
        if self._config().concurrency() is None:
            pytest.skip("readings are no requests in flight")
        traffic = FakeTraffic()
        async with self.open(traffic) as scaler:
            assert (await scaler.read()).mean is None
            traffic.come(8)
            traffic.wait(1)
            traffic.end(8)
            traffic.wait(3)
            reading = await scaler.read()
            assert (reading.value, reading.mean) == (0, pytest.approx(2))
            traffic.wait(4)
            assert (await scaler.read()).mean == pytest.approx(0)

    async def test_concurrent_reads_agree(self) -> None:
        traffic = FakeTraffic()
        traffic.come(7)
        async with self.open(traffic) as scaler:
            await scaler.read()
            traffic.wait(1)
            readings = await asyncio.gather(*(scaler.read() for _ in range(5)))
        assert len({(reading.value, reading.active) for reading in readings}) == 1

    async def test_what_is_unknown_is_unavailable_and_ends_without_reopening(self) -> None:
        traffic = FakeTraffic()
        async with self.open(traffic) as scaler:
            traffic.lost = True
            with pytest.raises(SourceUnavailable):
                await scaler.read()
            traffic.lost = False
            traffic.come()
            assert (await scaler.read()).active is True

    async def test_reading_without_traffic_says_so(self) -> None:
        async with SharedConnections() as connections, self.scaler.open(self.config(), connections) as scaler:
            with pytest.raises(SourceUnavailable):
                await scaler.read()

    async def test_the_first_request_after_none_wakes(self) -> None:
        traffic = FakeTraffic()
        async with self.open(traffic) as scaler, asyncio.timeout(PATIENCE_S), wakeups_of(scaler) as wakeups:
            for _ in range(3):
                waiting = asyncio.ensure_future(anext(wakeups))
                await asyncio.sleep(0)
                assert not waiting.done()
                traffic.come()
                await waiting
                traffic.end()

    async def test_closing_leaves_nothing_behind(self) -> None:
        async with no_leaks(), self.open(FakeTraffic()) as scaler, wakeups_of(scaler) as wakeups:
            waiting = asyncio.ensure_future(anext(wakeups))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait((waiting,))

    def test_it_is_about_requests_per_replica(self) -> None:
        assert self.scaler.kind is TriggerKind.EXTERNAL
        assert self._config().metric_type(None) is MetricType.AVERAGE_VALUE

    def test_rules_for_requests_in_flight_can_be_followed(self) -> None:
        rules = self._config().concurrency()
        if rules is None:
            pytest.skip("readings are no requests in flight")
        assert 0 < rules.panic_window_s <= rules.stable_window_s
        assert rules.panic_threshold > 1
        assert rules.max_up_rate > 1
        assert rules.max_down_rate > 1
        assert rules.scale_down_delay_s >= 0
        assert rules.activation_scale >= 1

    def _config(self) -> TrafficConfig:
        config = self.config()
        assert isinstance(config, TrafficConfig)
        return config


def wakeups_of(scaler: TrafficScaler[Any]) -> aclosing[AsyncGenerator[None, None]]:
    """Return the scaler's wake-ups for the length of an `async with`."""
    return aclosing(cast("AsyncGenerator[None, None]", scaler.wakeups()))
