"""An engine that does what it is told, and says so late."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from scaler.actuators.compose.actuator import ComposeActuator
from scaler.model import ReplicaState
from scaler.testing.observing import PATIENCE_S, changes_of, eventually, states
from scaler.testing.servers.compose import Projects, started
from scaler.testing.servers.docker import DockerServer
from scaler.testing.servers.process import server_folder

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]


class Relay:
    """Stands before an engine, and keeps its answers to some calls back until it is told to pass them on.

    Attributes:
        url: Where it is reached.
        asked: Such a call has come.
        kept: An answer to one was kept back.
        passing: Set it to pass on what was kept back, and all that follows.
    """

    def __init__(self, url: str, held: bytes) -> None:
        self.url = url
        self.asked = asyncio.Event()
        self.kept = asyncio.Event()
        self.passing = asyncio.Event()
        self._held = held

    @classmethod
    @asynccontextmanager
    async def before(cls, engine: DockerServer, held: str) -> AsyncIterator[Relay]:
        """Lend one that keeps back the answers to calls with this in their path."""
        with server_folder("relay") as folder:
            relay = cls(f"unix://{folder}/docker.sock", held.encode())
            tasks: set[asyncio.Task[None]] = set()

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                far_reader, far_writer = await asyncio.open_unix_connection(engine.base_url.removeprefix("unix://"))
                holding = asyncio.Event()
                tasks.add(asyncio.create_task(relay._ask(reader, far_writer, holding)))
                tasks.add(asyncio.create_task(relay._answer(far_reader, writer, holding)))

            async with await asyncio.start_unix_server(serve, relay.url.removeprefix("unix://")):
                yield relay
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, holding: asyncio.Event) -> None:
        with contextlib.closing(sink), contextlib.suppress(OSError):
            while data := await source.read(1 << 16):
                if self._held in data.partition(b"\r\n")[0]:
                    holding.set()
                    self.asked.set()
                sink.write(data)
                await sink.drain()

    async def _answer(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, holding: asyncio.Event) -> None:
        with contextlib.closing(sink), contextlib.suppress(OSError):
            while data := await source.read(1 << 16):
                if holding.is_set() and not self.passing.is_set():
                    self.kept.set()
                    await self.passing.wait()
                sink.write(data)
                await sink.drain()


async def test_what_is_done_before_the_engine_s_events_are_followed_is_known(
    engine: DockerServer, projects: Projects
) -> None:
    """An end is seen to be one, and what was made is not taken for somebody else's."""
    project = projects('  worker: {<<: *image, command: ["sh", "-c", "sleep 0.5; exit 3"]}')
    await asyncio.to_thread(project.run, "up", "--no-start")
    target = project.scaled()
    async with (
        Relay.before(engine, "/events") as relay,
        ComposeActuator(base_url=relay.url, settle_s=0.0, quiet_s=1000.0) as actuator,
    ):
        applying = asyncio.create_task(actuator.apply(target, 2))
        await relay.asked.wait()
        # Long enough for the replicas to end, if they had been started.
        await asyncio.wait([applying], timeout=2.0)
        relay.passing.set()
        assert len((await applying).started) == 2
        await eventually(lambda: actuator.observe(target), lambda seen: states(seen) == [ReplicaState.CRASHED] * 2)
        assert len((await actuator.apply(target, 3)).started) == 1


async def test_a_replica_that_was_seen_to_end_before_its_stop_was_answered_is_told_of(
    engine: DockerServer, projects: Projects
) -> None:
    """It is stopping until then, and whoever follows the changes need not ask again and again when that is over."""
    project, target = await started(projects)
    async with (
        Relay.before(engine, "/stop") as relay,
        ComposeActuator(base_url=relay.url) as actuator,
    ):
        await eventually(lambda: actuator.observe(target), lambda seen: states(seen) == [ReplicaState.READY])
        await actuator.apply(target, 0)
        await eventually(lambda: asyncio.to_thread(project.running, "worker"), lambda names: names == set())
        async with changes_of(actuator) as changes:
            with contextlib.suppress(TimeoutError):
                while True:
                    await asyncio.wait_for(anext(changes), 2.0)
        assert states(await actuator.observe(target)) == [ReplicaState.STOPPING]
        relay.passing.set()
        async with changes_of(actuator) as changes:
            assert await asyncio.wait_for(anext(changes), PATIENCE_S) == target.name
        assert await actuator.observe(target) == ()


async def test_a_listing_from_before_the_end_of_a_replica_does_not_undo_that_it_was_stopped(
    engine: DockerServer, projects: Projects
) -> None:
    """It says that the container runs, and comes after the word of who ended it."""
    project, target = await started(projects)
    (container,) = project.states("worker")
    with engine.client() as api:
        async with Relay.before(engine, f"/{container}/json") as relay, ComposeActuator(base_url=relay.url) as actuator:
            relay.passing.set()
            await eventually(lambda: actuator.observe(target), lambda seen: states(seen) == [ReplicaState.READY])
            relay.passing.clear()
            await asyncio.to_thread(api.update_container, container, cpu_shares=512)
            await relay.kept.wait()
            await asyncio.to_thread(api.stop, container)
            await asyncio.sleep(0.5)  # for the events, of which nothing tells before the listing comes
            relay.passing.set()
            await eventually(lambda: actuator.observe(target), lambda seen: seen == ())
