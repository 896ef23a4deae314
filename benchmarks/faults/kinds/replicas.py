"""Replicas are removed by hand, Envoy and the Docker engine are killed."""

from __future__ import annotations

import time

from benchmarks.faults import estate
from benchmarks.faults.fault import Fault
from benchmarks.faults.world import World
from scaler.testing.polling import eventually


def _removed(world: World) -> str:
    """Some of them, of any workload, at once."""
    if world.chance.random() < 0.5:
        world.change_levels()
    found = world.yard.found()
    gone = world.chance.sample(found, min(len(found), world.chance.randint(1, 4)))
    for it in gone:
        world.yard.remove(it)
    return ", ".join(sorted(it.workload for it in gone))


def _removed_while_away(world: World) -> str:
    """While the service is away, which must not bring back what is not wanted, nor count what is gone."""
    found = world.yard.found()
    world.kill_service()
    gone = world.chance.sample(found, min(len(found), 3))
    for it in gone:
        world.yard.remove(it)
    world.change_levels()
    world.start_service()
    return ", ".join(sorted(it.workload for it in gone))


def _envoy_killed(world: World) -> str:
    """At any moment."""
    envoy = eventually(world.service.envoy, what="an Envoy to kill")
    assert envoy is not None  # noqa: S101 - it was waited for
    time.sleep(world.chance.uniform(0, 0.5))
    envoy.kill()
    again = eventually(world.service.envoy, what="another Envoy", within_s=60)
    return f"{envoy.pid} then {again.pid if again else 'none'}"


def _envoy_killed_with_service(world: World) -> str:
    """Both; the next run starts another."""
    envoy = eventually(world.service.envoy, what="an Envoy to kill")
    world.kill_service()
    if envoy is not None:
        envoy.kill()
    world.start_service()
    return ""


def _engine_killed(world: World) -> str:
    """With all its containers; those of others come back by the engine's own policy."""
    engine = world.engine
    assert engine is not None  # noqa: S101 - of worlds with one only
    world.watch.close()
    engine.kill()
    world.change_levels()
    away_s = world.chance.uniform(0, 5)
    time.sleep(away_s)
    world.start_engine()
    return f"away {away_s:.1f} s"


def _engine_and_service_killed(world: World) -> str:
    """Both, in the midst of a scale-up; in any order they come back."""
    engine = world.engine
    assert engine is not None  # noqa: S101 - of worlds with one only
    for name in world.sources:
        world.put_level(name, estate.MOST)
    time.sleep(world.chance.uniform(0, 1.5))
    engine.kill()
    world.kill_service()
    world.start_engine()
    world.start_service()
    return ""


def _docker(world: World) -> bool:
    return world.docker


FAULTS = (
    Fault("replicas removed", _removed, requests_lost=True, replicas_lost=True, weight=3, quick=True),
    Fault("replicas removed while the service is away", _removed_while_away, requests_lost=True, replicas_lost=True),
    Fault("Envoy killed", _envoy_killed, requests_lost=True, weight=2, quick=True),
    Fault("Envoy and service killed", _envoy_killed_with_service, requests_lost=True),
    Fault("engine killed", _engine_killed, works=_docker, requests_lost=True, replicas_lost=True, weight=2),
    Fault("engine and service killed", _engine_and_service_killed, works=_docker, requests_lost=True,
          replicas_lost=True),
)  # fmt: skip
