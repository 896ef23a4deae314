"""Everything that takes part in a run: servers, the service, whoever uses its apps, and things of others."""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.faults import estate, sources
from benchmarks.faults.callers import calling
from benchmarks.faults.jobs import Jobs
from benchmarks.faults.replicas import Containers, Processes, Yard
from benchmarks.faults.sources import Source
from benchmarks.faults.watch import Watch
from scaler.testing.http_app import PLAIN, image
from scaler.testing.http_client import Client, Kind, Shape
from scaler.testing.http_service import HttpService
from scaler.testing.servers.docker import DockerServer, EngineNotAvailable
from scaler.testing.servers.redis import RedisServer

_KINDS: Mapping[Kind, float] = {Kind.GET: 10, Kind.SLOW: 2, Kind.POST: 3, Kind.DIGEST: 2, Kind.STREAM: 2}

_ENGINE_STARTS = 5


@dataclass
class World:
    """One service with all around it.

    Attributes:
        name: The actuator.
        folder: Of the service.
        service: It.
        sources: By name.
        yard: Where replicas run.
        watch: Looks at the counts all the time.
        engine: The private Docker engine, if replicas are containers.
        jobs: Who puts jobs, if they are worked off.
        client: Who sends requests to the app with ingress.
        chance: Of this run.
        manifests: Documents by workload; `write` makes them the manifest.
        levels: Replicas that each source's queue wants.
        clock_offset_s: What the service's wall clock is ahead.
    """

    name: str
    folder: Path
    service: HttpService
    sources: Mapping[str, Source]
    yard: Yard
    watch: Watch
    client: Client
    chance: random.Random
    engine: DockerServer | None = None
    jobs: Jobs | None = None
    manifests: dict[str, estate.Documents] = field(default_factory=dict)
    levels: dict[str, int] = field(default_factory=dict)
    clock_offset_s: float = 0.0

    @property
    def docker(self) -> bool:
        """Whether replicas are containers."""
        return self.engine is not None

    def write(self) -> None:
        """Make what `manifests` says the manifest, in one step."""
        documents = [json.dumps(document) for each in self.manifests.values() for document in each]
        self.write_text("\n---\n".join(documents))

    def write_text(self, text: str) -> None:
        """Make a text the manifest, in one step."""
        fresh = self.service.manifest.with_name("manifest.new")
        fresh.write_text(text)
        fresh.replace(self.service.manifest)

    def change_levels(self, *, most: int = 2) -> None:
        """Let some queues want other counts; their servers run."""
        names = [name for name, source in self.sources.items() if source.server.runs]
        for name in self.chance.sample(names, min(most, len(names))):
            self.put_level(name, self.chance.choice([0, 1, 2, 3, estate.MOST]))

    def put_level(self, name: str, replicas: int) -> None:
        """Let a queue want so many."""
        self.watch.close([name])
        self.watch.tried(name, replicas)
        self.levels[name] = replicas
        self.sources[name].hold(sources.items_for(replicas))

    def levels_fall(self) -> bool:
        """Whether a queue has just come to want less than what runs, so that replicas may go meanwhile."""
        counts = {view.name: len(view.replicas) for view in self.service.api.workloads()}
        return any(counts[name] != replicas for name, replicas in self.levels.items())

    def kill_service(self) -> None:
        """End the service as a power cut would."""
        self.watch.close()
        self.watch.pause()
        self.service.kill()

    def start_service(self) -> None:
        """Start it again."""
        self.service.start()
        self.watch.go_on()

    def start_engine(self) -> None:
        """Start the engine again, as its supervisor would: on a busy machine it sometimes gives up on its parts."""
        assert self.engine is not None  # noqa: S101 - of worlds with one only
        for attempt in range(_ENGINE_STARTS):
            try:
                self.engine.start(timeout_s=90)
            except EngineNotAvailable:
                if attempt == _ENGINE_STARTS - 1:
                    raise
            else:
                return

    def wall_s(self) -> float:
        """What the service takes for the time."""
        return time.time() + self.clock_offset_s


@contextmanager
def running(actuator: str, *, seed: int, source_names: tuple[str, ...], mounted: bool) -> Iterator[World]:
    """Start all of it, and take it down on exit.

    Args:
        actuator: `docker` or `process`.
        seed: Of the run.
        source_names: Which sources take part; none are all.
        mounted: Give the state dir a file system of its own.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scaler-faults-")))
        if mounted:
            from benchmarks.faults.disk import small_disk  # noqa: PLC0415 - of no use without root

            stack.enter_context(small_disk(folder / "state"))
        found = stack.enter_context(sources.running(source_names))
        engine = stack.enter_context(_engine()) if actuator == "docker" else None
        world = _world(actuator, folder, found, engine, seed)
        stack.callback(world.yard.close)
        stack.enter_context(world.client)
        if world.jobs is not None:
            stack.enter_context(world.jobs.running())
        stack.enter_context(world.service.running())
        stack.enter_context(world.watch.running())
        stack.enter_context(calling(world.client, seed=seed))
        yield world


def _world(actuator: str, folder: Path, found: Mapping[str, Source], engine: DockerServer | None, seed: int) -> World:
    docker = engine is not None
    chance = random.Random(seed)  # noqa: S311 - the same seed makes the same faults
    manifests = {name: estate.of_source(source, docker=docker) for name, source in found.items()}
    manifests[estate.CRON] = estate.on_schedule(docker=docker)
    manifests[estate.WEB] = estate.serving(folder, docker=docker)
    jobs = None
    if not docker and "list" in found:
        manifests[estate.JOBS] = estate.working(found["list"])
        server = found["list"].server
        assert isinstance(server, RedisServer)  # noqa: S101 - what a list is in
        jobs = Jobs(server)
    environment = {"DOCKER_HOST": engine.base_url} if engine else None
    service = HttpService(folder, _texts(manifests), actuator=actuator, env=environment)
    yard: Yard = Containers(engine, service.state_dir) if engine else Processes(service.state_dir)
    # Some are longer than what Envoy keeps for another attempt: they fail with the replica that was to have them, which
    # may be only where a fault takes replicas away.
    shape = Shape(max_body=3_000_000, max_seconds=1.0)
    client = Client(service.target(estate.WEB, kinds=_KINDS), seed=seed, shape=shape)
    levels = dict.fromkeys(found, 0)
    watch = Watch(service, plain=[name for name in found if estate.plain(name)])
    return World(actuator, folder, service, found, yard, watch, client, chance, engine, jobs, manifests, levels)


def _texts(manifests: Mapping[str, estate.Documents]) -> Sequence[str]:
    return [json.dumps(document) for each in manifests.values() for document in each]


@contextmanager
def _engine() -> Iterator[DockerServer]:
    with DockerServer(private=True) as engine:
        engine.busybox_image(estate.IMAGE, estate.SLEEPER)
        image.load(engine, estate.WEB_IMAGE, PLAIN)
        yield engine
