"""The servers of the sources are killed, and stand still."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from benchmarks.faults.fault import Fault
from benchmarks.faults.world import World

# The names of the sources that share a server, which stand for it.
_SERVERS = {"redis": ("list", "stream"), "rabbitmq": ("rabbit",), "kafka": ("kafka",), "api": ("api",),
            "prometheus": ("query",)}  # fmt: skip
_LONGEST_S = 20.0


def _there(server: str) -> Callable[[World], bool]:
    return lambda world: any(name in world.sources for name in _SERVERS[server])


def _killed(server: str) -> Callable[[World], str]:
    def strike(world: World) -> str:
        """Killed at any moment; the queues of others change meanwhile."""
        names = [name for name in _SERVERS[server] if name in world.sources]
        time.sleep(world.chance.uniform(0, 1))
        world.watch.close(names)
        process = world.sources[names[0]].server
        process.kill()
        away_s = world.chance.uniform(0.2, 6)
        _change_others(world, names)
        time.sleep(away_s)
        process.start()
        for name in names:
            if world.chance.random() < 0.5:
                world.put_level(name, world.chance.randint(0, 4))
        return f"away {away_s:.1f} s"

    return strike


def _frozen(server: str) -> Callable[[World], str]:
    def strike(world: World) -> str:
        """Stands still: takes connections and never answers."""
        names = [name for name in _SERVERS[server] if name in world.sources]
        world.watch.close(names)
        process = world.sources[names[0]].server
        process.freeze()
        still_s = world.chance.choice([1.0, 5.0, 10.0, _LONGEST_S])
        try:
            _change_others(world, names)
            time.sleep(still_s)
        finally:
            process.thaw()
        return f"for {still_s:g} s"

    return strike


def _away_while_service_starts(world: World) -> str:
    """The service starts while a server is away: nothing is known of its queues, and nothing may be scaled down."""
    name = world.chance.choice(sorted(world.sources))
    names = [other for other in world.sources if world.sources[other].server is world.sources[name].server]
    world.kill_service()
    world.sources[name].server.kill()
    world.start_service()
    before = {it.name for it in world.yard.found() if it.workload in names}
    time.sleep(world.chance.uniform(1, 8))
    after = {it.name for it in world.yard.found() if it.workload in names}
    world.sources[name].server.start()
    if not before <= after:
        raise AssertionError(f"{sorted(before - after)} were ended while {name} was unknown")
    return name


def _change_others(world: World, names: list[str]) -> None:
    others = [name for name in world.sources if name not in names]
    for name in world.chance.sample(others, min(2, len(others))):
        world.put_level(name, world.chance.randint(0, 4))


def _faults() -> Iterator[Fault]:
    for server in _SERVERS:
        there = _there(server)
        yield Fault(f"{server} killed", _killed(server), works=there, quick=server in {"redis", "api"})
        yield Fault(f"{server} frozen", _frozen(server), works=there, quick=server == "redis")
    yield Fault("source away while the service starts", _away_while_service_starts)


FAULTS = tuple(_faults())
