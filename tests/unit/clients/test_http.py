"""The HTTP client against a server that does as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from pydantic import SecretStr

from scaler.clients.http import MAX_ANSWER_BYTES, MAX_CONNECTIONS, Answer, HttpClient, HttpServer, Request
from scaler.ports.errors import SourceRejected, SourceUnavailable
from scaler.testing.driving import DEADLINE_S
from scaler.testing.leaks import no_leaks, until
from scaler.testing.servers.process import free_port


@dataclass
class Server:
    """What it was asked, and how it is to answer."""

    origin: str = ""
    requests: list[web.Request] = field(default_factory=list)
    status: int = 200
    body: bytes = b"fine"
    headers: dict[str, str] = field(default_factory=dict)
    takes_s: float = 0.0
    silent: asyncio.Event = field(default_factory=asyncio.Event)
    kept_waiting: int = 0
    most_kept_waiting: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        if request.path == "/slow":
            self.kept_waiting += 1
            self.most_kept_waiting = max(self.most_kept_waiting, self.kept_waiting)
            try:
                await self.silent.wait()
            finally:
                self.kept_waiting -= 1
        if request.path == "/cut" and request.transport is not None and not self.silent.is_set():
            request.transport.abort()
        await asyncio.sleep(self.takes_s)
        return web.Response(status=self.status, body=self.body, headers=self.headers)


@asynccontextmanager
async def running(server: Server, port: int = 0) -> AsyncIterator[Server]:
    runner = web.ServerRunner(web.Server(server.answer, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    server.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        server.silent.set()
        await runner.cleanup()


@asynccontextmanager
async def connected(origin: str, *headers: tuple[str, SecretStr]) -> AsyncIterator[HttpClient]:
    async with no_leaks(), HttpClient.connect(HttpServer(origin, headers)) as client:
        yield client


async def test_equal_requests_that_come_together_are_sent_once() -> None:
    async with running(Server()) as server, connected(server.origin) as client:
        answers = await asyncio.gather(*(client.get(target) for target in ("/a", "/a", "/b")))
        assert answers == [Answer(200, b"fine")] * 3
        assert sorted(request.path for request in server.requests) == ["/a", "/b"]
        await client.get("/a")
        assert len(server.requests) == 3


async def test_headers_of_the_server_and_of_the_request_are_sent_and_shown_nowhere() -> None:
    secret = SecretStr("Bearer sesame")
    async with running(Server()) as server, connected(server.origin, ("Authorization", secret)) as client:
        await client.get("/x", headers={"X-Scope": SecretStr("north")})
        assert server.requests[0].headers["Authorization"] == "Bearer sesame"
        assert server.requests[0].headers["X-Scope"] == "north"
    assert "sesame" not in repr(HttpServer(server.origin, (("Authorization", secret),)))


@pytest.mark.parametrize("target", ["/a%2Fb/q?x=%252F+1", "/api/queues/%2F/jobs?columns=name"])
async def test_targets_are_sent_as_they_are_encoded(target: str) -> None:
    async with running(Server()) as server, connected(server.origin) as client:
        await client.get(target)
        assert server.requests[0].raw_path == target


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, SourceRejected),
        (404, SourceRejected),
        (302, SourceRejected),
        (429, SourceUnavailable),
        (500, SourceUnavailable),
        (503, SourceUnavailable),
    ],
)
async def test_a_status_says_whether_time_heals_it_and_is_no_outage(status: int, error: type[Exception]) -> None:
    async with running(Server(status=status, headers={"Location": "/elsewhere"})) as server:
        async with connected(server.origin) as client:
            with pytest.raises(error, match=str(status)):
                await client.get("/x")
            server.status = 200
            assert (await client.get("/x")).body == b"fine"
        assert {request.path for request in server.requests} == {"/x"}


async def test_nobody_listening_fails_at_once_until_the_server_is_back() -> None:
    port = free_port()
    async with connected(f"http://127.0.0.1:{port}") as client:
        for _ in range(50):
            with pytest.raises(SourceUnavailable) as caught:
                await client.get("/x")
            assert caught.value.logged
        async with running(Server(), port) as server, asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    await client.get("/x")
                    break
                except SourceUnavailable:
                    await asyncio.sleep(0.01)
            assert server.requests


async def test_one_slow_answer_is_no_outage_while_others_come() -> None:
    async with running(Server()) as server, connected(server.origin) as client:
        slow = asyncio.create_task(client.get("/slow", timeout_s=1))
        while not slow.done():
            await client.get("/quick")
            await asyncio.sleep(0.01)
        with pytest.raises(SourceUnavailable, match="no answer within 1 s"):
            await slow
        assert (await client.get("/quick")).status == 200
        server.silent.set()


async def test_a_server_that_answers_nothing_is_lost_until_it_answers() -> None:
    async with running(Server()) as server, connected(server.origin) as client:
        with pytest.raises(SourceUnavailable, match="no answer within"):
            await client.get("/slow", timeout_s=0.2)
        with pytest.raises(SourceUnavailable) as caught:
            await client.get("/quick")
        assert caught.value.logged
        server.silent.set()
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    await client.get("/quick")
                    break
                except SourceUnavailable:
                    await asyncio.sleep(0.01)


async def test_an_answer_without_end_is_refused() -> None:
    async with running(Server(body=bytes(MAX_ANSWER_BYTES + 1))) as server, connected(server.origin) as client:
        with pytest.raises(SourceRejected, match="larger than 32768 KiB"):
            await client.get("/x", timeout_s=30)


async def test_waiting_for_a_free_connection_is_no_slowness_of_the_server() -> None:
    async with running(Server(takes_s=0.06)) as server, connected(server.origin) as client:
        # Together they take three seconds or more.
        asking = (client.get(f"/{n}", timeout_s=2) for n in range(200))
        assert await asyncio.gather(*asking) == [Answer(200, b"fine")] * 200
    assert len(server.requests) == 200


async def test_what_waits_for_a_connection_is_asked_once_and_fails_at_once_when_the_server_is_lost() -> None:
    async with running(Server()) as server, connected(server.origin) as client:
        asking = [client.get(f"/slow?{n % 50}", timeout_s=0.2) for n in range(100)]
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {SourceUnavailable}
        assert len({request.raw_path for request in server.requests}) <= MAX_CONNECTIONS
        server.silent.set()


async def test_a_request_may_allow_for_less() -> None:
    async with running(Server(body=bytes(2049))) as server, connected(server.origin) as client:
        with pytest.raises(SourceRejected, match="larger than 2 KiB"):
            await client.ask(Request("/x", max_bytes=2048))


async def test_a_server_may_be_one_address_of_a_name() -> None:
    async with running(Server()) as server:
        at = HttpServer(server.origin.replace("127.0.0.1", "no-such-name.invalid"), address="127.0.0.1")
        async with no_leaks(), HttpClient.connect(at) as client:
            assert (await client.get("/x")).body == b"fine"
        assert server.requests[0].host.startswith("no-such-name.invalid:")
    assert str(at).endswith("(127.0.0.1)")


async def test_what_is_no_http_is_unavailable() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"-ERR what?\r\n")
        await writer.drain()
        writer.close()

    async with (
        await asyncio.start_server(answer, "127.0.0.1", 0) as impostor,
        connected("http://{}:{}".format(*impostor.sockets[0].getsockname())) as client,
    ):
        with pytest.raises(SourceUnavailable) as caught:
            await client.get("/x?key=sesame")
        assert "sesame" not in str(caught.value)


async def test_tls_where_there_is_none_is_rejected() -> None:
    async with running(Server()) as server, connected(server.origin.replace("http:", "https:")) as client:
        with pytest.raises(SourceRejected, match="TLS failed"):
            await client.get("/x")


async def test_who_stops_waiting_takes_nothing_from_the_others() -> None:
    async with running(Server()) as server, connected(server.origin) as client:
        leaving, staying = (asyncio.create_task(client.get("/x")) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        assert (await staying).status == 200


@pytest.mark.parametrize("unanswered", ["/slow", "/cut"])
async def test_a_request_that_never_gets_an_answer_fails_alone(unanswered: str) -> None:
    async with running(Server()) as server, connected(server.origin) as client, asyncio.timeout(DEADLINE_S):
        # Nothing else was ever asked, so the server seems lost; others show that it is not.
        with pytest.raises(SourceUnavailable):
            await client.get(unanswered, timeout_s=0.1)
        while True:
            try:
                await client.get("/quick", timeout_s=0.1)
                break
            except SourceUnavailable:
                await asyncio.sleep(0.01)
        # From now on it disturbs nobody, also while nobody else asks.
        for _ in range(5):
            with pytest.raises(SourceUnavailable) as caught:
                await client.get(unanswered, timeout_s=0.1)
            assert not caught.value.logged
            assert (await client.get("/quick", timeout_s=5)).status == 200
        server.silent.set()
        assert (await client.get(unanswered, timeout_s=5)).status == 200


async def fails_alone(client: HttpClient, target: str) -> bool:
    """Ask for what gets no answer, and others meanwhile; whether the server was not taken for lost."""
    asking = asyncio.create_task(client.get(target, timeout_s=0.2))
    while not asking.done():
        with suppress(SourceUnavailable):
            await client.get("/quick")
        await asyncio.sleep(0.01)
    error = asking.exception()
    assert isinstance(error, SourceUnavailable)
    return not error.logged


async def test_requests_that_get_no_answer_leave_connections_to_the_others() -> None:
    async with running(Server()) as server, connected(server.origin) as client, asyncio.timeout(2 * DEADLINE_S):
        slow = [f"/slow?{n}" for n in range(2 * MAX_CONNECTIONS)]
        for target in slow:
            while not await fails_alone(client, target):
                pass
        await until(lambda: server.kept_waiting == 0)
        server.most_kept_waiting = 0
        waiting = asyncio.gather(*(client.get(target, timeout_s=0.2) for target in slow), return_exceptions=True)
        while not waiting.done():
            await client.get("/quick", timeout_s=5)
        assert {type(outcome) for outcome in waiting.result()} == {SourceUnavailable}
        assert 0 < server.most_kept_waiting < MAX_CONNECTIONS


async def test_what_was_asked_as_the_client_closed_is_told_so() -> None:
    async with running(Server()) as server:
        async with HttpClient.connect(HttpServer(server.origin)) as client:
            asking = asyncio.create_task(client.get("/x"))
            await asyncio.sleep(0)
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(SourceUnavailable, match="closed"):
                await asking
            with pytest.raises(SourceUnavailable, match="closed"):
                await client.get("/x")


async def test_a_name_that_no_server_can_have_is_rejected() -> None:
    async with connected("http://metrics..local:9090") as client:
        for _ in range(3):
            with pytest.raises(SourceRejected, match="no server can have this name") as caught:
                await client.get("/x")
            assert caught.value.logged


async def test_a_refused_connection_and_a_name_without_address_say_so() -> None:
    async with connected(f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(SourceUnavailable, match=r": Connection refused$"):
            await client.get("/x")
    async with connected("http://no-such-host.invalid:9090") as client:
        with pytest.raises(SourceUnavailable, match=r"invalid:9090: (?!the connection was lost)(?!Unknown error)"):
            await client.get("/x")
