"""What a body may be so that its request is sent to another replica when the first was not reached."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest

from scaler.ingress.settings import IngressSettings
from scaler.ingress.site import Site
from scaler.ingress.xds.clusters import RETRIES
from scaler.ingress.xds.discovery import Discovery
from scaler.ingress.xds.listeners import UNREACHABLE
from scaler.ingress.xds.routes import HELD_BODY_BYTES, RETRIED_BODY_BYTES
from scaler.testing.discovered_envoy import Answer, answers, envoy, replica, request, running, settings, site
from scaler.testing.observing import eventually

pytestmark = pytest.mark.services


@pytest.fixture
def at() -> IngressSettings:
    return settings()


@pytest.fixture
async def discovery(at: IngressSettings, tmp_path: Path) -> AsyncIterator[Discovery]:
    async with running(Discovery(at), tmp_path) as control, envoy(tmp_path):
        control.discovery.start()
        yield control.discovery


@contextmanager
def silent() -> Iterator[int]:
    """A port where nobody refuses and nobody accepts: its queue is full, as with an address that is gone."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port: int = listener.getsockname()[1]
        for each in (first, second):
            each.settimeout(0)
            each.connect_ex(("127.0.0.1", port))
        yield port


def tried(port: int) -> bool:
    """Whether Envoy waits for the port to accept."""
    return any(
        each.status == psutil.CONN_SYN_SENT and each.raddr and each.raddr.port == port and each.pid is not None
        and psutil.Process(each.pid).name().startswith("envoy")
        for each in psutil.net_connections("tcp4")
    )  # fmt: skip


async def retries(folder: Path) -> int:
    """Return how often Envoy has sent a request of the app again."""
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(folder / "envoy.admin.sock"))) as session,
        session.get("http://envoy/stats?filter=app.*upstream_rq_retry$") as answer,
    ):
        return sum(int(line.rsplit(" ", 1)[1]) for line in (await answer.text()).splitlines())


async def put(discovery: Discovery, at: IngressSettings, app: Site) -> None:
    discovery.put(app)
    await discovery.acknowledged("app")
    await answers(at.external, "nobody", 404)


def upload(at: IngressSettings, size: int) -> asyncio.Task[Answer]:
    head = f"POST / HTTP/1.1\nhost: app.localhost\ncontent-length: {size}"
    return asyncio.create_task(request(at.external, head, b"x" * size))


@pytest.mark.parametrize(("hot", "kept"), [(True, RETRIED_BODY_BYTES), (False, HELD_BODY_BYTES)])
async def test_a_body_that_is_kept_goes_to_another_replica(
    discovery: Discovery, at: IngressSettings, *, hot: bool, kept: int
) -> None:
    with silent() as gone:
        async with replica("one") as port:
            await put(discovery, at, site("app", gone, hot=hot, allow_insecure=True))
            answer = upload(at, kept * 9 // 10)
            await eventually(lambda: asyncio.to_thread(tried, gone), lambda seen: seen)
            await put(discovery, at, site("app", gone, port, hot=hot, allow_insecure=True))
            assert (await answer).status == 200


async def test_without_another_replica_it_waits_for_the_next(
    discovery: Discovery, at: IngressSettings, tmp_path: Path
) -> None:
    """As when the engine was killed with all replicas, and the app is held by the time that Envoy knows."""
    with silent() as gone:
        await put(discovery, at, site("app", gone, allow_insecure=True))
        answer = upload(at, 50_000)
        await eventually(lambda: asyncio.to_thread(tried, gone), lambda seen: seen)
    await put(discovery, at, site("app", hot=False, allow_insecure=True))
    # Some of all attempts; with the others there is time until the next replica.
    await eventually(lambda: retries(tmp_path), lambda seen: seen >= RETRIES // 4)
    async with replica("one") as port:
        await put(discovery, at, site("app", port, allow_insecure=True))
        assert (await answer).status == 200


@pytest.mark.parametrize(("hot", "kept"), [(True, RETRIED_BODY_BYTES), (False, HELD_BODY_BYTES)])
async def test_a_longer_one_is_answered_503_without_another_attempt(
    discovery: Discovery, at: IngressSettings, tmp_path: Path, *, hot: bool, kept: int
) -> None:
    with silent() as gone:
        await put(discovery, at, site("app", gone, hot=hot, allow_insecure=True))
        answer = await upload(at, kept * 4)
    assert (answer.status, answer.body.decode()) == (503, UNREACHABLE)
    assert await retries(tmp_path) < RETRIES
