"""The holding service behind a real Envoy: what clients see of a hold."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from io import BytesIO
from typing import TYPE_CHECKING

import grpc.aio
import pytest
from aiohttp import ClientResponse, ClientSession

from scaler.ingress.waiting_room import RETRY_WHEN_FULL_S, TOO_LATE, TOO_MANY
from scaler.model import Hold, WakeExclusion
from scaler.ports.recorder import HoldOutcome
from scaler.testing.leaks import until

if TYPE_CHECKING:
    from conftest import App, Front

pytestmark = pytest.mark.services

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
Held = Callable[[int], Awaitable[None]]


@pytest.fixture
def held(front: Front) -> Held:
    """Waits until as many requests are held."""

    async def wait(count: int) -> None:
        await until(lambda: front.room.held == count)

    return wait


async def get(client: ClientSession, path: str, **headers: str) -> ClientResponse:
    """Return an answer that was read to its end."""
    async with client.get(path, headers=headers) as response:
        await response.read()
        return response


async def test_a_request_is_held_until_the_app_is_there_and_told_how_long(
    front: Front, client: ClientSession, held: Held
) -> None:
    request = asyncio.create_task(get(client, "/"))
    await held(1)
    front.room.open(1)
    response = await request
    assert response.status == 200
    assert int(response.headers["x-scaler-held-ms"]) >= 0
    assert front.observer.ends == [HoldOutcome.RELEASED]
    response = await get(client, "/forged")
    assert response.headers.getall("x-scaler-held-ms") == ["0"]
    assert "x-scaler-held-ms" not in (await get(client, "/hot")).headers


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_of_ten_megabytes_is_held_and_arrives_whole(
    front: Front, client: ClientSession, held: Held, *, chunked: bool
) -> None:
    body = os.urandom(10_000_000)

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 60_000):
            yield body[at : at + 60_000]

    async def post() -> dict[str, object]:
        async with client.post("/", data=chunks() if chunked else BytesIO(body)) as response:
            return dict(await response.json())

    request = asyncio.create_task(post())
    await held(1)
    front.room.open(1)
    assert await request == {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}


async def test_a_websocket_handshake_is_held_and_then_works(front: Front, client: ClientSession, held: Held) -> None:
    async def talk() -> str:
        async with client.ws_connect("/") as socket:
            await socket.send_str("hello")
            return await socket.receive_str()

    request = asyncio.create_task(talk())
    await held(1)
    front.room.open(1)
    assert await request == "hello"


async def test_clients_that_hang_up_leave_nothing(front: Front, client: ClientSession, held: Held, app: App) -> None:
    requests = [asyncio.create_task(get(client, "/")) for _ in range(200)]
    await held(200)
    for request in requests:
        request.cancel()
    await held(0)
    front.room.open(1)
    assert Counter(front.observer.ends) == {HoldOutcome.GONE: 200}
    assert front.traffic.held == front.traffic.with_replicas == 0
    assert app.paths == []


async def test_one_too_many_is_refused_with_a_reason_and_a_time(
    front: Front, client: ClientSession, held: Held
) -> None:
    front.room.hold = Hold(max_requests=2)
    waiting = [asyncio.create_task(get(client, "/")) for _ in range(2)]
    await held(2)
    async with client.get("/") as response:
        assert response.status == 503
        assert response.headers["retry-after"] == str(RETRY_WHEN_FULL_S)
        assert response.headers["content-type"].startswith("text/plain")
        assert await response.text() == TOO_MANY
    front.room.open(1)
    assert [response.status for response in await asyncio.gather(*waiting)] == [200, 200]


async def test_a_wait_that_is_too_long_ends(front: Front, client: ClientSession) -> None:
    front.room.hold = Hold(timeout_s=0.2)
    async with client.get("/") as response:
        assert response.status == 503
        assert await response.text() == TOO_LATE
        assert int(response.headers["x-scaler-held-ms"]) >= 200
    assert front.observer.ends == [HoldOutcome.TIMED_OUT]


async def test_an_app_that_cannot_start_answers_why(front: Front, client: ClientSession, held: Held) -> None:
    waiting = asyncio.create_task(client.get("/"))
    await held(1)
    front.room.fail("its container ends right after its start", 30)
    for response in (await waiting, await client.get("/")):
        assert (response.status, response.headers["retry-after"]) == (503, "30")
        assert await response.text() == "its container ends right after its start"


async def test_an_unknown_app_is_not_found(client: ClientSession) -> None:
    async with client.get("/nobody") as response:
        assert response.status == 404
        assert await response.text() == "there is no such app"


async def test_hundreds_held_at_once_go_on_in_order(front: Front, client: ClientSession, held: Held, app: App) -> None:
    requests = []
    for block in (1, 2, 3):
        requests += [asyncio.create_task(get(client, f"/{block}")) for _ in range(200)]
        await held(200 * block)
    front.room.open(1)
    responses = await asyncio.gather(*requests)
    assert Counter(response.status for response in responses) == {200: 600}
    # What goes on together arrives in any order.
    places = [[at for at, path in enumerate(app.paths) if path == f"/{block}"] for block in (1, 2, 3)]
    assert list(map(len, places)) == [200, 200, 200]
    assert sum(places[0]) < sum(places[1]) < sum(places[2])


async def test_excluded_requests_neither_wait_nor_count(front: Front, client: ClientSession) -> None:
    bots = WakeExclusion(user_agent="Bot", status=429)
    front.room.hold = Hold(exclusions=(WakeExclusion(path_prefix="/health", status=200), bots))
    assert (await get(client, "/healthz?deep=1")).status == 200
    assert (await get(client, "/", **{"user-agent": "a robot/1.0"})).status == 429
    assert front.observer.ends == [HoldOutcome.NOT_WAKING] * 2
    front.room.open(1)
    assert '"bytes": 0' in await (await client.get("/healthz")).text()


async def test_a_browser_gets_the_waiting_page_and_others_wait(front: Front, client: ClientSession, held: Held) -> None:
    front.room.hold = Hold(waiting_page="")
    async with client.get("/", headers=BROWSER) as response:
        assert response.status == 503
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert response.headers["cache-control"] == "no-store"
        assert int(response.headers["retry-after"]) > 0
        assert "shop is starting" in await response.text()
    front.room.hold = Hold(waiting_page="<p>{app} soon</p>")
    async with client.get("/", headers=BROWSER) as response:
        assert await response.text() == "<p>shop soon</p>"
        assert int(response.headers["refresh"]) > 0
    others = [client.get("/"), client.post("/", headers=BROWSER), client.ws_connect("/")]
    tasks = [asyncio.ensure_future(other) for other in others]
    await held(3)
    front.room.open(1)
    answer, posted, socket = await asyncio.gather(*tasks)
    assert (answer.status, posted.status) == (200, 200)
    await socket.close()
    assert (await get(client, "/", **BROWSER)).status == 200


async def test_a_refused_grpc_call_is_unavailable_and_a_held_one_is_answered(front: Front, held: Held) -> None:
    front.room.fail("the image does not exist", 30)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{front.envoy.port}") as channel:
        call = channel.unary_unary("/test.Echo/Call")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(b"hello")
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert refused.value.details() == "the image does not exist"
        front.room.recovered()
        answer = asyncio.ensure_future(call(b"hello"))
        await held(1)
        front.room.open(1)
        assert await answer == b"hello"


async def test_a_grpc_call_whose_deadline_passes_is_gone(front: Front, held: Held) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{front.envoy.port}") as channel:
        call = channel.unary_unary("/test.Echo/Call")(b"hello", timeout=5)
        await held(1)
        with pytest.raises(grpc.aio.AioRpcError) as late:
            await call
    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await held(0)
    assert front.observer.ends == [HoldOutcome.GONE]
