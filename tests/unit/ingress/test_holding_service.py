"""The holding service: what it answers before and after it knows all apps."""

from __future__ import annotations

import asyncio

import pytest
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse

from scaler.ingress.holding import HoldingService
from scaler.ingress.waiting_room import WaitingRoom
from scaler.ingress.xds.naming import APP_KEY
from scaler.model import Hold
from scaler.ports.recorder import HoldOutcome
from scaler.testing.leaks import until


class Observer:
    """Counts what waits."""

    def __init__(self) -> None:
        self.waiting = 0

    def arrived(self) -> None:
        self.waiting += 1

    def ended(self, outcome: HoldOutcome, held_s: float) -> None:  # noqa: ARG002
        self.waiting -= 1

    def answered(self, outcome: HoldOutcome) -> None:
        pass


def request(app: str) -> bytes:
    message = CheckRequest()
    message.attributes.context_extensions[APP_KEY] = app
    return bytes(message.SerializeToString())


@pytest.fixture
def rooms() -> dict[str, WaitingRoom]:
    return {}


@pytest.fixture
async def service(rooms: dict[str, WaitingRoom]) -> HoldingService:
    return HoldingService(rooms)


async def test_requests_wait_until_all_apps_are_known(service: HoldingService, rooms: dict[str, WaitingRoom]) -> None:
    """As after a restart, when a proxy asks again for those that it held."""
    late, never = (asyncio.create_task(service.check(request(app))) for app in ("late", "never"))
    await asyncio.sleep(0)
    observer = Observer()
    rooms["late"] = WaitingRoom(Hold(), observer)
    service.begin()
    assert CheckResponse.FromString(await never).denied_response.status.code == 404
    await until(lambda: observer.waiting == 1)
    rooms["late"].open(1)
    assert CheckResponse.FromString(await late).HasField("ok_response")


async def test_an_app_that_is_known_does_not_wait_for_others(
    service: HoldingService, rooms: dict[str, WaitingRoom]
) -> None:
    rooms["app"] = WaitingRoom(Hold(), Observer())
    rooms["app"].open(1)
    assert CheckResponse.FromString(await service.check(request("app"))).HasField("ok_response")
