"""What watchers are told: everything once, then what changes; nothing is made for nobody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from scaler.model import Workload
from scaler.observability.event_stream import EventStream
from scaler.observability.fan_out import FanOut
from scaler.observability.live import BATCH, MOST_WATCHERS, Live, TooManyWatchers, Watcher
from scaler.observability.status import StatusBoard
from scaler.observability.views import WorkloadView

PATIENCE_S = 60.0


class CountingBoard(StatusBoard):
    """Counts how often it is asked for a view."""

    asked = 0

    def view(self, name: str) -> WorkloadView | None:
        self.asked += 1
        return super().view(name)


@pytest.fixture
def board() -> CountingBoard:
    return CountingBoard()


@pytest.fixture
def live(board: CountingBoard) -> Live:
    return Live(board)


@pytest.fixture
def recorder(board: CountingBoard, live: Live) -> FanOut:
    return FanOut(board, live)


@asynccontextmanager
async def running(live: Live) -> AsyncIterator[None]:
    task = asyncio.create_task(live.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def told(live: Live, watcher: Watcher) -> dict[str, Any]:
    said = json.loads(live.told(await watcher.wait(PATIENCE_S)))
    assert isinstance(said, dict)
    return said


async def test_what_is_of_no_workload_is_told_at_once(live: Live, recorder: FanOut) -> None:
    assert json.loads(live.hello())["rejected"] == []
    async with running(live):
        with live.watching() as watcher:
            recorder.configuration_reloaded(accepted=False)
            recorder.configuration_reloaded(accepted=False, part="shop/worker")
            assert (await told(live, watcher))["rejected"] == ["manifests", "shop/worker"]
            recorder.configuration_dropped(part="shop/worker")
            assert (await told(live, watcher))["rejected"] == ["manifests"]
            recorder.configuration_reloaded(accepted=True)
            assert (await told(live, watcher))["rejected"] == []


async def test_a_proxy_that_is_due_and_does_not_serve_is_told(
    live: Live, recorder: FanOut, workload: Workload, shop: Workload
) -> None:
    recorder.proxy_up(up=False)
    recorder.workload_added(workload)
    assert json.loads(live.hello())["lacks_proxy"] is False
    recorder.workload_added(shop)
    assert json.loads(live.hello())["lacks_proxy"] is True
    recorder.proxy_up(up=True)
    assert json.loads(live.hello())["lacks_proxy"] is False


async def test_nothing_is_made_while_nobody_watches(
    board: CountingBoard, live: Live, recorder: FanOut, workload: Workload, record: Callable
) -> None:
    async with running(live):
        record(recorder, workload)
        await asyncio.sleep(0)
        assert board.asked == 0
        with live.watching() as watcher:
            assert [each["name"] for each in (await told(live, watcher))["workloads"]] == ["worker"]
        asked = board.asked
        assert live._shown == {}
        recorder.traffic(workload, held=1, in_flight=1)
        await asyncio.sleep(0)
        assert (board.asked, live._changed) == (asked, {})


async def test_a_workload_is_made_once_for_all_watchers(
    board: CountingBoard, live: Live, recorder: FanOut, workload: Workload, record: Callable
) -> None:
    record(recorder, workload)
    async with running(live):
        with live.watching() as first, live.watching() as second:
            assert (await told(live, first))["workloads"] == (await told(live, second))["workloads"]
            assert board.asked == 1
            recorder.actuation_failed(workload, error="no such image")
            recorder.actuation_failed(workload, error="no such network")
            for watcher in (first, second):
                (shown,) = (await told(live, watcher))["workloads"]
                assert shown["actuation_error"] == "no such network"
            assert board.asked == 2


async def test_what_says_nothing_new_is_not_told(
    live: Live, recorder: FanOut, workload: Workload, record: Callable
) -> None:
    decision = record(recorder, workload)
    async with running(live):
        with live.watching() as watcher:
            await told(live, watcher)
            recorder.decided(workload, replace(decision, current=10), duration_s=0)
            (shown,) = (await told(live, watcher))["workloads"]
            assert "at" not in shown["decision"]
            recorder.decided(workload, replace(decision, current=10, at=2000.0), duration_s=0)
            live._work.set()
            while live._changed or live._work.is_set():
                await asyncio.sleep(0.01)
            assert not watcher._pending


async def test_workloads_that_come_and_go_are_told(
    live: Live, recorder: FanOut, workload: Workload, shop: Workload
) -> None:
    recorder.workload_added(workload)
    async with running(live):
        with live.watching() as watcher:
            assert json.loads(live.hello())["names"] == ["worker"]
            await told(live, watcher)
            recorder.workload_added(shop)
            assert [each["name"] for each in (await told(live, watcher))["workloads"]] == ["shop"]
            recorder.workload_removed(workload)
            assert (await told(live, watcher))["gone"] == ["worker"]


async def test_one_who_comes_later_is_told_everything(live: Live, recorder: FanOut, workload: Workload) -> None:
    names = [f"worker-{number:02}" for number in range(2 * BATCH + 1)]
    for name in names:
        recorder.workload_added(replace(workload, name=name))
    async with running(live):
        with live.watching() as first:
            found: list[str] = []
            while len(found) < len(names):
                found += [each["name"] for each in (await told(live, first))["workloads"]]
            with live.watching() as second:
                late: list[str] = []
                while len(late) < len(names):
                    said = await told(live, second)
                    assert len(said["workloads"]) <= BATCH
                    late += [each["name"] for each in said["workloads"]]
    assert found == late == names


async def test_one_who_does_not_read_holds_names_only(live: Live, recorder: FanOut, workload: Workload) -> None:
    recorder.workload_added(workload)
    recorder.traffic(workload, held=0, in_flight=0)
    async with running(live):
        with live.watching() as slow, live.watching() as quick:
            await told(live, quick)
            for number in range(3):
                recorder.actuation_failed(workload, error=str(number))
                await told(live, quick)
            assert list(slow._pending) == ["worker"]
            assert (await told(live, slow))["workloads"][0]["actuation_error"] == "2"


async def test_only_so_many_may_watch(live: Live) -> None:
    with ExitStack() as all_of_them:
        for _ in range(MOST_WATCHERS):
            all_of_them.enter_context(live.watching())
        with pytest.raises(TooManyWatchers), live.watching():
            pass
    with live.watching():
        pass


class Client:
    """One request to the stream, as its server would carry it."""

    def __init__(self, *, reads: bool = True) -> None:
        self.sent: list[dict[str, Any]] = []
        self._reads = reads
        self.gone = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(dict(message))
        if not self._reads and message["type"] == "http.response.body":
            await asyncio.Event().wait()

    @property
    def text(self) -> str:
        return b"".join(each.get("body", b"") for each in self.sent).decode()

    async def hears(self, event: str, *, after: int = 0) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while f"event: {event}\n" not in self.text[after:]:
                await asyncio.sleep(0.01)


def answer(live: Live, client: Client, **settings: float) -> asyncio.Task[None]:
    return asyncio.create_task(EventStream(live, **settings)({"type": "http"}, client.receive, client.send))


async def test_the_stream_greets_tells_keeps_alive_and_ends_with_its_client(
    live: Live, recorder: FanOut, workload: Workload
) -> None:
    recorder.workload_added(workload)
    client = Client()
    async with running(live):
        answering = answer(live, client, alive_s=0.02)
        await client.hears("workloads")
        told = len(client.text)
        await client.hears("alive", after=told)
        client.gone.set()
        await asyncio.wait_for(answering, PATIENCE_S)
    assert client.sent[0]["status"] == 200
    assert (b"content-type", b"text/event-stream; charset=utf-8") in client.sent[0]["headers"]
    assert client.text.startswith("event: hello\ndata: {")
    assert ": keep-alive\nevent: alive\n" in client.text[told:]
    assert not live._watchers


async def test_a_client_that_does_not_read_is_dropped(live: Live) -> None:
    async with running(live):
        await asyncio.wait_for(answer(live, Client(reads=False), patience_s=0.02), PATIENCE_S)
    assert not live._watchers


async def test_one_too_many_is_told_to_come_back(live: Live) -> None:
    with ExitStack() as all_of_them:
        for _ in range(MOST_WATCHERS):
            all_of_them.enter_context(live.watching())
        client = Client()
        await asyncio.wait_for(answer(live, client), PATIENCE_S)
    assert client.sent[0]["status"] == 503
    assert (b"retry-after", b"10") in client.sent[0]["headers"]


async def test_the_end_of_the_service_ends_the_stream_in_order(live: Live) -> None:
    client = Client()
    async with running(live):
        answering = answer(live, client)
        await client.hears("hello")
    await asyncio.wait_for(answering, PATIENCE_S)
    assert client.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
