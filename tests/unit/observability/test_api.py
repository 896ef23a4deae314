"""The HTTP API over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import aiohttp
import pytest
from prometheus_client import CollectorRegistry
from starlette.routing import Route
from yarl import URL

from scaler.decision import decide, initial_state
from scaler.engine.clock import SystemClock
from scaler.model import ConcurrencyPolicy, Reading, ReplicaCounts, TriggerPolicy, Workload
from scaler.observability import api
from scaler.observability.explanation import explain
from scaler.observability.history import History
from scaler.observability.live import Live
from scaler.observability.metrics import PrometheusRecorder
from scaler.observability.status import StatusBoard
from scaler.observability.views import DecisionList, HistoryView, WorkloadView
from scaler.ports.errors import ConfigError


@pytest.fixture
def board() -> StatusBoard:
    return StatusBoard()


@pytest.fixture
def history() -> History:
    return History(SystemClock())


@pytest.fixture
async def client(board: StatusBoard, history: History) -> AsyncIterator[aiohttp.ClientSession]:
    registry = CollectorRegistry()
    PrometheusRecorder(registry)
    with api.bind("127.0.0.1:0") as listener:
        server = api.Server(api.make_app(board, registry, history=history, live=Live(board)))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        port = listener.getsockname()[1]
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            yield session
        server.should_exit = True
        await serving


async def get(client: aiohttp.ClientSession, path: str) -> tuple[int, str]:
    async with client.get(path) as response:
        return response.status, await response.text()


async def test_it_is_ready_once_every_workload_has_been_decided(
    client: aiohttp.ClientSession, board: StatusBoard, workload: Workload, record: Callable
) -> None:
    assert (await get(client, "/healthz"))[0] == 200
    board.workload_added(workload)
    status, body = await get(client, "/readyz")
    assert status == 503
    assert json.loads(body) == {"status": "starting", "waiting_for": ["worker"]}
    record(board, workload)
    assert (await get(client, "/readyz"))[0] == 200


async def test_a_workload_is_shown_with_its_decision_and_no_secret(
    client: aiohttp.ClientSession, board: StatusBoard, workload: Workload, record: Callable
) -> None:
    record(board, workload)
    status, body = await get(client, "/v1/workloads/worker")
    assert status == 200
    assert "hunter2" not in body
    view = WorkloadView.model_validate_json(body)
    assert (view.desired_replicas, view.current_replicas, view.ready_replicas) == (10, 2, 1)
    assert view.decision is not None
    assert [limit.rule for limit in view.decision.limits] == ["maxReplicaCount"]
    assert [replica.state for replica in view.replicas] == ["ready", "crashed", "stopping"]
    status, body = await get(client, "/v1/workloads")
    assert json.loads(body)["workloads"] == [view.model_dump()]


async def test_with_ingress_it_is_ready_once_a_proxy_serves(
    client: aiohttp.ClientSession, board: StatusBoard, shop: Workload, record_requests: Callable
) -> None:
    record_requests(board, shop)
    assert (await get(client, "/readyz"))[0] == 200
    board.proxy_up(up=False)
    status, body = await get(client, "/readyz")
    assert status == 503
    assert json.loads(body)["waiting_for"] == ["a proxy that serves"]
    board.workload_removed(shop)
    assert (await get(client, "/readyz"))[0] == 200, "nothing is left to be served"


def test_an_app_with_ingress_is_shown_with_its_requests(
    shop: Workload, record_requests: Callable, workload: Workload
) -> None:
    board = StatusBoard(urls=lambda workload: [f"http://{workload.name}.localhost:8480"])
    record_requests(board, shop)
    view = board.view("shop")
    assert view is not None
    assert view.ingress is not None
    assert view.ingress.model_dump() == {
        "urls": ["http://shop.localhost:8480"],
        "held": 3,
        "in_flight": 37,
        "rejected": "no such certificate",
    }
    assert [replica.endpoint for replica in view.replicas] == ["127.0.0.1:40001"]
    assert explain(view, now=1001.5)[-2:] == [
        "  requests: 3 held, 37 in flight; reached at http://shop.localhost:8480",
        "  a proxy refused its configuration, and goes on with the one before: no such certificate",
    ]
    board.workload_removed(shop)
    board.traffic(shop, held=1, in_flight=1)  # late
    board.workload_added(shop)
    assert board.view("shop").ingress.model_dump(exclude={"urls"}) == {"held": 0, "in_flight": 0, "rejected": None}
    board.workload_added(workload)
    assert board.view("worker").ingress is None


async def test_unknown_workloads_and_writes_are_refused(client: aiohttp.ClientSession) -> None:
    assert (await get(client, "/v1/workloads/nope"))[0] == 404
    async with client.post("/v1/workloads") as response:
        assert response.status == 405


async def test_metrics_and_openapi_are_served(client: aiohttp.ClientSession) -> None:
    status, text = await get(client, "/metrics")
    assert status == 200
    assert "scaler_build_info{" in text
    status, text = await get(client, "/openapi.json")
    assert status == 200
    assert set(json.loads(text)["paths"]) == {
        "/healthz",
        "/readyz",
        "/metrics",
        "/v1/workloads",
        "/v1/workloads/{name}",
        "/v1/workloads/{name}/history",
        "/v1/workloads/{name}/decisions",
    }
    assert {method for path in json.loads(text)["paths"].values() for method in path} == {"get"}


def test_nothing_can_be_changed(board: StatusBoard, history: History) -> None:
    app = api.make_app(board, CollectorRegistry(), history=history, live=Live(board))
    methods = {route.path: route.methods for route in app.routes if isinstance(route, Route)}
    assert methods.keys() >= {"/", "/page/{name}", "/v1/events", "/v1/workloads/{name}/history"}
    assert {method for each in methods.values() for method in each or ()} == {"GET", "HEAD"}


async def test_the_past_of_a_workload_is_served(
    client: aiohttp.ClientSession, history: History, workload: Workload, record: Callable
) -> None:
    record(history, workload)
    status, body = await get(client, "/v1/workloads/worker/history")
    assert status == 200
    view = HistoryView.model_validate_json(body)
    assert (len(view.wanted), view.wanted[-1], view.ready[-1], view.triggers[0].values[-1]) == (240, 10, 1, 80)
    status, body = await get(client, "/v1/workloads/worker/decisions")
    assert status == 200
    (decision,) = DecisionList.model_validate_json(body).decisions
    assert (decision.current, decision.desired, decision.because) == (0, 10, "a trigger became active")
    for what in ("history", "decisions"):
        assert (await get(client, f"/v1/workloads/nope/{what}"))[0] == 404


@pytest.mark.parametrize(
    ("path", "type_"), [("/", "text/html"), ("/page/main.js", "text/javascript"), ("/page/style.css", "text/css")]
)
async def test_the_page_is_served_with_what_browsers_are_to_heed(
    client: aiohttp.ClientSession, path: str, type_: str
) -> None:
    async with client.get(path) as response:
        assert response.status == 200
        assert response.content_type == type_
        assert "default-src 'self'" in response.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in response.headers
        tag = response.headers["etag"]
    async with client.get(path, headers={"if-none-match": tag}) as response:
        assert (response.status, await response.read()) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/page/", "/page/nothing.js", "/page/..%2fapi.py", "/page/%2e%2e/api.py", "/page/index"]
)
async def test_nothing_else_is_served_as_part_of_the_page(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(URL(path, encoded=True)) as response:
        assert response.status == 404


@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/v1/workloads", "/v1/events", "/nothing"])
async def test_a_request_by_the_name_of_somebody_else_is_refused(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(path, headers={"host": "evil.example"}) as response:
        assert response.status == 421
        assert response.headers["x-content-type-options"] == "nosniff"


async def test_a_check_by_http_1_0_needs_no_host(client: aiohttp.ClientSession) -> None:
    base = client._base_url
    assert base is not None
    reader, writer = await asyncio.open_connection(base.host, base.port)
    writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
    assert (await reader.readline()).split()[1] == b"200"
    writer.close()
    await writer.wait_closed()


def test_an_address_in_use_or_nonsense_is_a_clear_error() -> None:
    with api.bind("127.0.0.1:0") as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}: [A-Z][a-z ]+; choose another with --listen$"):
            api.bind(f"127.0.0.1:{port}")
    for nonsense in ("8080", "localhost", ":", "127.0.0.1:http", "127.0.0.1:99999"):
        with pytest.raises(ConfigError):
            api.bind(nonsense)


def test_explanation_names_trigger_value_target_limit_and_next_change(
    board: StatusBoard, workload: Workload, record: Callable
) -> None:
    record(board, workload)
    view = board.view("worker")
    assert view is not None
    assert explain(view, now=1001.5) == [
        "worker: 10 replicas wanted, 2 there, 1 ready (from 0 to 10)",
        "  because a trigger became active",
        "  trigger redis-0 (redis): value 80, target 5 (AverageValue), active, wants 16",
        "  limit maxReplicaCount: from 16 to 10",
        "  next change: at 00:21:40 UTC, in 299.0 s, or earlier when a reading changes",
        "  replicas could not be changed: no such image",
        "  replica worker--a-2: exit code 1",
    ]
    board.actuation_recovered(workload)
    assert board.view("worker").actuation_error is None


def test_explanation_of_a_schedule_names_the_moment_in_its_zone(
    board: StatusBoard, workload: Workload, record: Callable
) -> None:
    record(board, workload)
    eight = 1772348400.0  # 2026-03-01 08:00 in Berlin
    reading = Reading(80, active=True, changes_at=eight, changes_zone="Europe/Berlin")
    board.read(workload, "redis-0", reading, duration_s=0)
    # What the decision's clock makes of the moment may be off by some microseconds.
    board.decided(workload, replace(record(board, workload), next_change_at=eight - 1e-5), duration_s=0)
    board.read(workload, "redis-0", reading, duration_s=0)
    lines = explain(board.view("worker"), now=eight - 5)
    assert "value 80 until 2026-03-01 08:00 (Europe/Berlin), target 5 (AverageValue)" in lines[2]
    assert "  next change: at 07:00:00 UTC, in 5.0 s" in lines
    the_day_before = explain(board.view("worker"), now=eight - 86400)
    assert "  next change: at 2026-03-01 07:00:00 UTC, in 86400.0 s" in the_day_before
    board.read(workload, "redis-0", replace(reading, changes_at=eight + 7), duration_s=0)
    assert "until 2026-03-01 08:00:07 (Europe/Berlin)" in explain(board.view("worker"), now=eight)[2]
    assert board.view("worker").triggers[0].changes_at == eight + 7


def test_explanation_of_requests_in_flight_shows_both_windows(board: StatusBoard, workload: Workload) -> None:
    http = TriggerPolicy("http", "http", 10.0, concurrency=ConcurrencyPolicy())
    policy = replace(workload.policy, triggers=(http,))
    app = replace(workload, policy=policy, triggers=(replace(workload.triggers[0], policy=http),))
    board.workload_added(app)
    reading = {"http": Reading(45.0)}
    decision, _ = decide(policy, initial_state(1000.0), reading, ReplicaCounts.settled(2), 1000.0)
    board.decided(app, decision, duration_s=0)
    view = board.view(app.name)
    assert view is not None
    assert explain(view, now=1000.0)[2] == (
        "  trigger http (http): value 45, target 10 (AverageValue), active, wants 5"
        " (in flight on average: stable window 45, panic window 45, panicking: the count only rises)"
    )
    assert view.model_dump(mode="json")["triggers"][0]["windows"] == {"stable": 45.0, "panic": 45.0, "panicking": True}
