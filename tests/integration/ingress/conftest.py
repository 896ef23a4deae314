"""A real Envoy with a fixed configuration, the holding and load reporting services, and an app behind them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc.aio
import pytest
from aiohttp import ClientSession, TCPConnector, web
from aiohttp.test_utils import TestServer

from scaler.ingress import unary_server
from scaler.ingress.envoy.process import executable
from scaler.ingress.holding import METHOD, HoldingService
from scaler.ingress.load_reports import LoadReports
from scaler.ingress.proxies import Proxies
from scaler.ingress.traffic import AppTraffic
from scaler.ingress.waiting_room import WaitingRoom
from scaler.ingress.xds.http_filters import TOLD_HEADERS
from scaler.ingress.xds.naming import HOLD_SOCKET
from scaler.model import Endpoint, Hold
from scaler.ports.recorder import HoldOutcome
from scaler.testing.servers.process import ServerProcess

APP = "shop"
CLUSTER = "app/shop"
HTTP2_CLUSTER = "app/shop/h2"
_MANY = {"thresholds": [{"max_connections": 100_000, "max_pending_requests": 100_000, "max_requests": 100_000}]}
_TYPE = "type.googleapis.com/envoy.extensions"
_HTTP2 = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": f"{_TYPE}.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}


class Envoy(ServerProcess):
    """An Envoy whose `/hot` goes to the app, `/nobody` to an app that does not exist, and all else is held."""

    def __init__(self, folder: Path, control: str, app_ports: Sequence[int], rpc_port: int) -> None:
        super().__init__(folder)
        self._control = control
        self._app_ports = app_ports
        self._rpc_port = rpc_port
        (folder / "envoy.json").write_text(json.dumps(self._bootstrap()))

    def command(self) -> Sequence[str]:
        options = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "error"]
        return [str(executable()), "-c", str(self.folder / "envoy.json"), *options]

    def answers(self) -> bool:
        with suppress(OSError), socket.create_connection((self.host, self.port), timeout=1):
            return True
        return False

    def _bootstrap(self) -> dict[str, Any]:
        return {
            "node": {"id": "test-envoy", "cluster": "test"},
            "cluster_manager": {
                "load_stats_config": {
                    "api_type": "GRPC",
                    "transport_api_version": "V3",
                    "grpc_services": [{"envoy_grpc": {"cluster_name": "control"}}],
                }
            },
            "static_resources": {
                "listeners": [self._listener()],
                "clusters": [
                    _cluster("control", [{"pipe": {"path": self._control}}], http2=True),
                    _cluster("hold", [{"pipe": {"path": str(self.folder / HOLD_SOCKET)}}], http2=True),
                    _cluster(CLUSTER, [_address(port) for port in self._app_ports]),
                    _cluster(HTTP2_CLUSTER, [_address(self._rpc_port)], http2=True),
                ],
            },
        }

    def _listener(self) -> dict[str, Any]:
        connections = {
            "@type": f"{_TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "test",
            "upgrade_configs": [{"upgrade_type": "websocket"}],
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": _routes()}]},
            "http_filters": [
                {
                    "name": "hold",
                    "typed_config": {
                        "@type": f"{_TYPE}.filters.http.ext_authz.v3.ExtAuthz",
                        "grpc_service": {"envoy_grpc": {"cluster_name": "hold"}, "timeout": "300s"},
                        "status_on_error": {"code": 503},
                        "transport_api_version": "V3",
                        "allowed_headers": {"patterns": [{"exact": name} for name in TOLD_HEADERS]},
                    },
                },
                {"name": "router", "typed_config": {"@type": f"{_TYPE}.filters.http.router.v3.Router"}},
            ],
        }
        return {
            "name": "http",
            "address": _address(self.port),
            "per_connection_buffer_limit_bytes": 32768,
            "filter_chains": [{"filters": [{"name": "http", "typed_config": connections}]}],
        }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(name: str, addresses: Sequence[dict[str, Any]], *, http2: bool = False) -> dict[str, Any]:
    endpoints = [{"endpoint": {"address": address}} for address in addresses]
    return {
        "name": name,
        "type": "STATIC",
        "circuit_breakers": _MANY,
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        **({"typed_extension_protocol_options": _HTTP2} if http2 else {}),
    }


def _routes() -> list[dict[str, Any]]:
    def settings(**fields: Any) -> dict[str, Any]:
        return {"hold": {"@type": f"{_TYPE}.filters.http.ext_authz.v3.ExtAuthzPerRoute", **fields}}

    held = settings(check_settings={"context_extensions": {"app": APP}})
    rpc = {"prefix": "/", "headers": [{"name": "content-type", "string_match": {"prefix": "application/grpc"}}]}
    to_app = {"cluster": CLUSTER, "timeout": "0s"}
    nobody = settings(check_settings={"context_extensions": {"app": "nobody"}})
    return [
        {"match": {"prefix": "/hot"}, "route": to_app, "typed_per_filter_config": settings(disabled=True)},
        {"match": {"prefix": "/nobody"}, "route": to_app, "typed_per_filter_config": nobody},
        {"match": rpc, "route": {"cluster": HTTP2_CLUSTER}, "typed_per_filter_config": held},
        {"match": {"prefix": "/"}, "route": to_app, "typed_per_filter_config": held},
    ]


class App:
    """Answers what a path ends in: `/slow` until `go` is set, `/stream` the same with the headers sent before."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.paths: list[str] = []

    def web(self) -> web.Application:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_route("*", "/{rest:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        if request.headers.get("upgrade") == "websocket":
            return await self._echo(request)
        if request.path.endswith("/stream"):
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"begun ")
            await self.go.wait()
            await response.write(b"ended")
            return response
        if request.path.endswith("/slow"):
            await self.go.wait()
        body = await request.read()
        forged = {"x-scaler-held-ms": "forged by the app"} if request.path.endswith("/forged") else {}
        return web.json_response({"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}, headers=forged)

    async def _echo(self, request: web.Request) -> web.WebSocketResponse:
        echo = web.WebSocketResponse()
        await echo.prepare(request)
        async for message in echo:
            await echo.send_str(message.data)
        return echo


class Observer:
    """Keeps how waits ended, and tells the traffic."""

    def __init__(self, traffic: AppTraffic) -> None:
        self._traffic = traffic
        self.ends: list[HoldOutcome] = []

    def arrived(self) -> None:
        self._traffic.arrived()

    def ended(self, outcome: HoldOutcome, held_s: float) -> None:
        self.ends.append(outcome)
        self._traffic.ended(outcome, held_s)

    def answered(self, outcome: HoldOutcome) -> None:
        self.ends.append(outcome)
        self._traffic.answered(outcome)


class Front:
    """All of it, with a client."""

    def __init__(self, apps: Sequence[TestServer], rpc_port: int, folder: Path) -> None:
        self.endpoints = [Endpoint("127.0.0.1", app.port or 0) for app in apps]
        self.lost: list[int] = []
        self.traffics: dict[str, AppTraffic] = {}
        self.proxies = Proxies(self.traffics, {CLUSTER: APP, HTTP2_CLUSTER: APP}.get, lost=self.lost.append)
        self.traffic = self.traffics[APP] = AppTraffic(self.proxies, asyncio.get_running_loop().time)
        self.traffic.serve(self.endpoints)
        self.observer = Observer(self.traffic)
        self.room = WaitingRoom(Hold(), self.observer)
        self.rooms = {APP: self.room}
        self.holding = HoldingService(self.rooms)
        self.holding.begin()
        # A proxy that comes back is waited for even where all goes slowly.
        self.reports = LoadReports(self.proxies, grace_s=60.0)
        self.socket = str(folder / "control.sock")
        self._folder = folder
        self._stack = AsyncExitStack()
        self.envoy = Envoy(folder, self.socket, [endpoint.port for endpoint in self.endpoints], rpc_port)
        self.url = f"http://127.0.0.1:{self.envoy.port}"

    async def start_services(self) -> None:
        """Offer the two services."""
        await self._stack.enter_async_context(
            unary_server.serving(self._folder, HOLD_SOCKET, METHOD, self.holding.check)
        )
        self._server = grpc.aio.server()
        self.reports.register(self._server)
        self._server.add_insecure_port(f"unix:{self.socket}")
        await self._server.start()

    async def stop_services(self) -> None:
        """Offer them no longer; what they know stays."""
        await self._server.stop(None)
        await self._stack.aclose()
        Path(self.socket).unlink(missing_ok=True)


async def _echo_call(message: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
    del context
    return message


async def _rpc_app() -> tuple[grpc.aio.Server, int]:
    """Start an app that speaks gRPC, at a free port."""
    method: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(_echo_call)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", {"Call": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, port


@asynccontextmanager
async def _running(app: App) -> AsyncIterator[Front]:
    """Start two replicas of the app and the services, and stop all of it on exit, with Envoy where it was started."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        servers = [TestServer(app.web()) for _ in range(2)]
        for server in servers:
            stack.push_async_callback(server.close)
            await server.start_server()
        rpc_server, rpc_port = await _rpc_app()
        stack.push_async_callback(rpc_server.stop, None)
        front = Front(servers, rpc_port, folder)
        stack.callback(front.reports.close)
        await front.start_services()
        stack.push_async_callback(front.stop_services)
        stack.callback(front.envoy.stop)
        stack.callback(app.go.set)
        yield front


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
async def front_without_envoy(app: App) -> AsyncIterator[Front]:
    async with _running(app) as running:
        yield running


@pytest.fixture
async def front(front_without_envoy: Front) -> Front:
    await asyncio.to_thread(front_without_envoy.envoy.start)
    return front_without_envoy


@pytest.fixture
async def client(front: Front) -> AsyncIterator[ClientSession]:
    """A client without a limit of connections."""
    async with ClientSession(front.url, connector=TCPConnector(limit=0)) as session:
        yield session
