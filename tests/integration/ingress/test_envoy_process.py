"""The embedded Envoy's life, with a real one: it outlives the service, is adopted, restarted, replaced and ended."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import grpc.aio
import pytest
import structlog
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.extensions.filters.http.router.v3 import router_pb2  # noqa: F401 - makes its type known to ParseDict
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,  # noqa: F401 - the same
)
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from google.protobuf import any_pb2, json_format
from typer.testing import CliRunner

from scaler import processes, wiring
from scaler.cli import app
from scaler.engine import state_dir
from scaler.ingress import control_server
from scaler.ingress import folder as ingress_folder
from scaler.ingress.envoy import admin, process, supervisor
from scaler.ingress.envoy.supervisor import EnvoySupervisor
from scaler.ingress.settings import IngressSettings, Listen
from scaler.ports.errors import ConfigError
from scaler.testing.discovered_envoy import free_address
from scaler.testing.leaks import until
from scaler.testing.observing import eventually

pytestmark = pytest.mark.services

_LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
_HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


class Discovery(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):
    """Tells every proxy of one listener, which answers all requests itself."""

    def __init__(self, listen: Listen) -> None:
        answer = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "here"}}}
        connections = {
            "@type": _HCM,
            "stat_prefix": "external",
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [answer]}]},
            "http_filters": [{"name": "router", "typed_config": {"@type": _ROUTER}}],
        }
        address = {"socket_address": {"address": listen.host, "port_value": listen.port}}
        filters = [{"name": "http", "typed_config": connections}]
        listener = {"name": "external", "address": address, "filter_chains": [{"filters": filters}]}
        self._listener = any_pb2.Any()
        self._listener.Pack(json_format.ParseDict(listener, Listener()))

    async def StreamAggregatedResources(  # noqa: N802 - gRPC's name
        self, requests: AsyncIterator[discovery_pb2.DiscoveryRequest], _context: object
    ) -> AsyncIterator[discovery_pb2.DiscoveryResponse]:
        async for request in requests:
            if request.version_info or request.HasField("error_detail"):
                continue
            resources = [self._listener] if request.type_url == _LISTENER else []
            yield discovery_pb2.DiscoveryResponse(
                version_info="1", nonce="1", type_url=request.type_url, resources=resources
            )


class Told:
    """Counts what the supervisor calls back."""

    def __init__(self) -> None:
        self.died = 0

    def on_died(self) -> None:
        self.died += 1


@pytest.fixture
def settings() -> IngressSettings:
    return IngressSettings(external=free_address(), concurrency=1)


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """A folder of which no Envoy is left, whatever a test does; its path is longer than a socket's may be."""
    path = tmp_path / ("deep" * 30) / "ingress"
    yield path
    await supervisor.stop(path)
    assert processes.marked("SCALER_ENVOY", str(ingress_folder.of_envoy(path).resolve())) == []


@asynccontextmanager
async def discovering(folder: Path, settings: IngressSettings) -> AsyncIterator[None]:
    def register(server: grpc.aio.Server) -> None:
        ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(Discovery(settings.external), server)

    async with control_server.serving(folder, [register]):
        yield


@asynccontextmanager
async def supervising(folder: Path, settings: IngressSettings, told: Told) -> AsyncIterator[EnvoySupervisor]:
    """Supervise an Envoy that is ready, as long as a service would run."""
    envoy = EnvoySupervisor(folder, settings, on_died=told.on_died)
    running = asyncio.create_task(envoy.run(), name="envoy")
    try:
        async with asyncio.timeout(60):
            await until(lambda: envoy.pid is not None or running.done())
            await envoy.ready()
        yield envoy
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def get(settings: IngressSettings) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"http://{settings.external}/") as response:
        return await response.text()


@pytest.fixture(autouse=True)
def no_descriptor_is_left() -> Iterator[None]:
    yield
    names = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            names.append(str(descriptor.readlink()))
    assert [name for name in names if "pidfd" in name or "deep" in name] == []


async def test_it_serves_and_outlives_the_service_and_is_adopted(folder: Path, settings: IngressSettings) -> None:
    told = Told()
    async with discovering(folder, settings), supervising(folder, settings, told) as first:
        pid = first.pid
        assert await get(settings) == "here"
    assert await get(settings) == "here"  # nobody is there but Envoy
    async with discovering(folder, settings), supervising(folder, settings, told) as second:
        assert second.pid == pid
        assert await get(settings) == "here"
    assert told.died == 0


async def test_it_is_adopted_after_the_service_was_killed(folder: Path, settings: IngressSettings) -> None:
    code = (
        "import asyncio, sys; from pathlib import Path;"
        "from scaler.ingress.envoy.supervisor import EnvoySupervisor;"
        "from scaler.ingress.settings import IngressSettings, Listen;"
        "settings = IngressSettings(external=Listen(sys.argv[2], int(sys.argv[3])), concurrency=1);"
        "asyncio.run(EnvoySupervisor("
        "Path(sys.argv[1]), settings, on_died=int).run())"
    )
    arguments = (str(folder), settings.external.host, str(settings.external.port))
    with subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE) as service:
        assert service.stdout is not None
        while b"envoy_started" not in await asyncio.to_thread(service.stdout.readline):
            pass
        service.kill()
    running = process.find(ingress_folder.of_envoy(folder))
    assert running is not None
    told = Told()
    async with discovering(folder, settings), supervising(folder, settings, told) as envoy:
        assert envoy.pid == running.pid
        assert await get(settings) == "here"
        # Its end is seen though it is not our child.
        os.kill(running.pid, signal.SIGKILL)
        await until(lambda: told.died == 1 and envoy.pid is not None)
        assert envoy.pid != running.pid


async def test_a_start_that_was_cut_short_is_found_by_its_mark(folder: Path, settings: IngressSettings) -> None:
    envoy_folder = ingress_folder.of_envoy(folder)
    launch = process.launch(settings.concurrency)
    started = process.start(envoy_folder, process.executable(), launch)
    process._write_note(envoy_folder, process.EnvoyProcess(0, "", launch.fingerprint))  # as before the fork
    assert process.find(envoy_folder) == started
    (envoy_folder / "envoy.json").unlink()
    found = process.find(envoy_folder)
    assert found is not None
    assert (found.pid, found.fingerprint) == (started.pid, "")  # replaced, as nobody knows how it was started


async def test_a_killed_one_is_restarted_within_a_second(folder: Path, settings: IngressSettings) -> None:
    told = Told()
    async with discovering(folder, settings), supervising(folder, settings, told) as envoy:
        before = envoy.pid
        assert before is not None
        with structlog.testing.capture_logs() as logs:
            os.kill(before, signal.SIGKILL)
            await until(lambda: told.died == 1 and envoy.pid is not None)
            await envoy.ready()
        assert envoy.pid not in {None, before}
        assert await get(settings) == "here"
        assert [entry["how"] for entry in logs if entry["event"] == "envoy_died"] == ["ended by SIGKILL"]


async def test_one_that_keeps_dying_is_told_of_twice_and_restarted_more_slowly(
    folder: Path, settings: IngressSettings
) -> None:
    told = Told()
    async with discovering(folder, settings), supervising(folder, settings, told) as envoy:
        with structlog.testing.capture_logs() as logs:
            for deaths in range(1, 5):
                await until(lambda: envoy.pid is not None)
                os.kill(envoy.pid or 0, signal.SIGKILL)
                await until(lambda: told.died == deaths)  # noqa: B023 - awaited in the same turn
            await until(lambda: envoy.pid is not None)
        events = [entry["event"] for entry in logs if entry["log_level"] == "error"]
        assert events == ["envoy_died", "envoy_keeps_dying"]


async def test_another_configuration_replaces_it(folder: Path, settings: IngressSettings) -> None:
    told = Told()
    async with discovering(folder, settings):
        async with supervising(folder, settings, told) as envoy:
            before = envoy.pid
        changed = IngressSettings(external=settings.external, concurrency=2)
        async with supervising(folder, changed, told) as envoy:
            assert envoy.pid != before
            assert processes.identity(before or 0) is None
            assert await get(settings) == "here"
    assert told.died == 0


async def test_a_port_in_use_is_refused_unless_it_is_our_own(folder: Path, settings: IngressSettings) -> None:
    envoy = EnvoySupervisor(folder, settings, on_died=int)
    taken = (settings.external.host, settings.external.port)
    with socket.create_server(taken), pytest.raises(ConfigError, match="--ingress"):
        await envoy.run()
    assert process.find(ingress_folder.of_envoy(folder)) is None
    async with discovering(folder, settings), supervising(folder, settings, Told()):
        envoy.check()


async def test_it_has_all_descriptors_and_tells_of_itself(folder: Path, settings: IngressSettings) -> None:
    async with discovering(folder, settings), supervising(folder, settings, Told()) as envoy:
        limits = Path(f"/proc/{envoy.pid}/limits").read_text().splitlines()
        soft, hard = next(line.split()[3:5] for line in limits if line.startswith("Max open files"))
        assert soft == hard
        assert str(Path(f"/proc/{envoy.pid}/fd/0").readlink()) == "/dev/null"
        async with admin.connected(envoy.folder) as administration:
            await get(settings)
            assert (await administration.stats(r"^http\.external\.downstream_rq_total$")).popitem()[1] >= 1
            assert await administration.requests() == 0
            assert len(await administration.stats(".")) > 10  # whatever else there is
            # The administration's own socket is as closed as the folder.
            assert (envoy.folder / "admin.sock").stat().st_mode & 0o777 == 0o600


async def test_it_refuses_new_requests_before_its_memory_is_used_up(folder: Path, settings: IngressSettings) -> None:
    launch = process.launch(settings.concurrency)
    assert launch.bootstrap.max_heap_bytes is not None
    little = dataclasses.replace(launch, bootstrap=dataclasses.replace(launch.bootstrap, max_heap_bytes=2**20))
    async with discovering(folder, settings):
        process.start(ingress_folder.of_envoy(folder), process.executable(), little)

        async def refused() -> bool:
            with contextlib.suppress(aiohttp.ClientError):
                return await get(settings) == "envoy overloaded"
            return False

        await eventually(refused, bool)


async def test_stop_ends_it_and_is_content_when_there_is_none(folder: Path, settings: IngressSettings) -> None:
    assert not await supervisor.stop(folder)
    async with discovering(folder, settings), supervising(folder, settings, Told()) as envoy:
        pid = envoy.pid
    assert await supervisor.stop(folder)
    assert processes.identity(pid or 0) is None
    assert not await supervisor.stop(folder)
    async with admin.connected(envoy.folder) as administration:
        with pytest.raises(admin.EnvoyNotReached):
            await administration.is_ready()


async def test_stop_lets_requests_end(folder: Path, settings: IngressSettings) -> None:
    async with discovering(folder, settings), supervising(folder, settings, Told()) as envoy:
        reader, writer = await asyncio.open_connection(settings.external.host, settings.external.port)
        writer.write(b"GET / HTTP/1.1\r\nhost: any\r\nconnection: close\r\n")
        async with admin.connected(envoy.folder) as administration:
            await eventually(administration.requests, lambda requests: requests == 1)
    stopping = asyncio.create_task(supervisor.stop(folder), name="stop")
    await eventually(lambda: reachable(settings), lambda seen: not seen)
    assert not stopping.done()
    writer.write(b"\r\n")
    assert (await reader.read()).endswith(b"here")
    writer.close()
    assert await stopping


async def test_the_command_down_ends_it(tmp_path: Path, settings: IngressSettings) -> None:
    with state_dir.open_locked(tmp_path / "state") as directory:
        folder = ingress_folder.of(directory.path)
        async with discovering(folder, settings), supervising(folder, settings, Told()) as envoy:
            pid = envoy.pid
    assert await wiring.down(tmp_path / "state") == 0
    assert processes.identity(pid or 0) is None


async def test_one_that_does_not_heed_sigterm_is_killed(folder: Path) -> None:
    envoy_folder = ingress_folder.make(ingress_folder.of_envoy(folder))
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    pid = processes.spawn((sys.executable, "-c", code), environment={}, folder=envoy_folder, log=envoy_folder / "x.log")
    stuck = process.EnvoyProcess(pid, processes.identity(pid) or "", "")
    await until(lambda: (envoy_folder / "x.log").stat().st_size > 0)
    await process.end(stuck, grace_s=0.2)
    assert not stuck.runs


async def test_an_envoy_that_others_run_serves_with_the_printed_bootstrap(
    tmp_path: Path, settings: IngressSettings
) -> None:
    printed = CliRunner().invoke(app, ["envoy-bootstrap", "--state-dir", str(tmp_path), "--node", "edge"])
    (tmp_path / "bootstrap.json").write_text(printed.stdout)
    command = [process.executable(), "-c", tmp_path / "bootstrap.json", "--disable-hot-restart", "--concurrency", "1"]
    with (tmp_path / "log").open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as external:
        try:
            # It may be there first, and waits.
            async with discovering(ingress_folder.of(tmp_path), settings):
                assert await eventually(lambda: reachable(settings), bool)
                assert await get(settings) == "here"
        finally:
            external.terminate()
    assert "no configured limit" not in (tmp_path / "log").read_text()  # to the number of connections


async def reachable(settings: IngressSettings) -> bool:
    with contextlib.suppress(aiohttp.ClientError):
        return await get(settings) == "here"
    return False
