"""What the http trigger reads of an app's requests."""

from __future__ import annotations

import pytest

from scaler.engine.connections import SharedConnections
from scaler.model import Reading
from scaler.ports.errors import SourceUnavailable
from scaler.testing.traffic import FakeTraffic
from scalers.http.config import HttpConfig
from scalers.http.requests import HttpScaler


def scaler(traffic: FakeTraffic, **parameters: str) -> HttpScaler:
    opened = HttpScaler(HttpConfig.model_validate(parameters))
    opened.attach(traffic)
    return opened


async def test_in_flight_is_the_value_and_the_average_comes_beside_it() -> None:
    traffic = FakeTraffic()
    http = scaler(traffic)
    assert await http.read() == Reading(value=0, active=False)
    traffic.come(4)
    traffic.wait(1)
    traffic.end(3)
    traffic.wait(1)
    assert await http.read() == Reading(value=1, active=True, mean=2.5)


async def test_two_readings_at_one_moment_have_no_average_between_them() -> None:
    traffic = FakeTraffic()
    http = scaler(traffic)
    traffic.come()
    await http.read()
    assert await http.read() == Reading(value=1, active=True)


async def test_after_an_outage_the_average_is_of_the_whole_time() -> None:
    traffic = FakeTraffic()
    http = scaler(traffic)
    await http.read()
    traffic.come(6)
    traffic.wait(5)
    traffic.lost = True
    with pytest.raises(SourceUnavailable):
        await http.read()
    traffic.lost = False
    traffic.end(6)
    traffic.wait(5)
    assert (await http.read()).mean == pytest.approx(3)


async def test_a_count_that_began_anew_has_no_average() -> None:
    before, anew = FakeTraffic(), FakeTraffic()
    http = scaler(before)
    before.come()
    before.wait(100)
    await http.read()
    anew.wait(200)
    http.attach(anew)
    assert await http.read() == Reading(value=0, active=False)


async def test_the_rate_is_requests_in_15_seconds_divided_by_15() -> None:
    traffic = FakeTraffic()
    http = scaler(traffic, metric="rate")
    await http.read()
    traffic.come(30)
    traffic.end(30)
    traffic.wait(5)
    assert await http.read() == Reading(value=2, active=True)
    traffic.wait(20)
    assert await http.read() == Reading(value=0, active=False)


async def test_slow_requests_are_few_by_rate_and_many_in_flight() -> None:
    """100 requests of a minute each: Azure's arithmetic sees less than 2."""
    traffic = FakeTraffic()
    in_flight, by_rate = scaler(traffic), scaler(traffic, metric="rate")
    for http in (in_flight, by_rate):
        await http.read()
    for _ in range(60):
        traffic.come(1)
        traffic.wait(0.6)
    assert (await in_flight.read()).value == 60
    assert (await by_rate.read()).value == pytest.approx(1 / 0.6)


async def test_a_request_in_flight_keeps_the_rate_active() -> None:
    traffic = FakeTraffic()
    http = scaler(traffic, metric="rate")
    traffic.come()
    for _ in range(3):
        traffic.wait(100)
        reading = await http.read()
    assert reading == Reading(value=0, active=True)


async def test_without_an_ingress_there_is_nothing_to_follow() -> None:
    async with SharedConnections() as connections, HttpScaler.open(HttpConfig.model_validate({}), connections) as http:
        assert [wakeup async for wakeup in http.wakeups()] == []
