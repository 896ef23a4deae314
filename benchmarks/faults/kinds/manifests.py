"""The manifest is edited, half of the times so that it is broken; apps that are not well come and go."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.faults import estate
from benchmarks.faults.fault import Fault
from benchmarks.faults.world import World
from scaler.testing.polling import eventually

_KEPT = "configuration_kept"
_SETTLED_S = 3.0


def _broken(world: World) -> str:
    """Any of many mistakes: what runs goes on, and why is said once."""
    world.write()
    good = world.service.manifest.read_text()
    name = world.chance.choice(sorted(_MISTAKES))
    text = _MISTAKES[name](world, good)
    said = len(world.service.events(_KEPT))
    before = {it.name for it in world.yard.found() if it.workload in world.levels}
    world.write_text(text)
    try:
        eventually(lambda: len(world.service.events(_KEPT)) > said, what=f"{_KEPT} for: {name}", within_s=20)
        time.sleep(world.chance.uniform(0, 2))
        after = {it.name for it in world.yard.found() if it.workload in world.levels}
    finally:
        world.write()
    if not before <= after and not world.levels_fall():
        raise AssertionError(f"{sorted(before - after)} were ended by a broken manifest")
    return name


def _broken_and_killed(world: World) -> str:
    """The service is killed and starts over a broken manifest: it refuses, and replicas go on."""
    world.write()
    text = _MISTAKES["no YAML"](world, world.service.manifest.read_text())
    world.kill_service()
    before = {it.name for it in world.yard.found()}
    world.write_text(text)
    done = world.service.command("run", str(world.service.manifest), "--listen", "127.0.0.1:0")
    after = {it.name for it in world.yard.found()}
    world.write()
    world.start_service()
    if done.returncode != 2 or not before <= after:
        raise AssertionError(f"ended with {done.returncode}, {sorted(before - after)} gone: {done.stderr[-500:]}")
    return ""


def _text(*, cut: bool = False, add: str = "") -> Callable[[World, str], str]:
    return lambda world, good: (good[: world.chance.randrange(10, len(good) // 2)] if cut else good) + add


def _edited(edit: Callable[[dict[str, Any]], object]) -> Callable[[World, str], str]:
    def make(world: World, _: str) -> str:
        manifests = copy.deepcopy(world.manifests)
        edit(manifests["list" if "list" in manifests else estate.CRON][0]["properties"])
        return "\n---\n".join(json.dumps(document) for each in manifests.values() for document in each)

    return make


def _scale(**values: object) -> Callable[[World, str], str]:
    return _edited(lambda properties: properties["template"]["scale"].update(values))


_MISTAKES: Mapping[str, Callable[[World, str], str]] = {
    "cut off": _text(cut=True, add="\n"),
    "no YAML": _text(add="\n---\n{a: [1, 2\n"),
    "a tab": _text(add="\n---\nkind:\n\tb: 1\n"),
    "empty": lambda *_: "",
    "a list": lambda *_: "- 1\n",
    "an app twice": lambda _, good: f"{good}\n---\n{good}",
    "an unknown field": _scale(maxReplica=3),
    "a word for a number": _scale(maxReplicas="many"),
    "a minimum above the maximum": _scale(minReplicas=9, maxReplicas=3),
    "a negative interval": _scale(pollingInterval=-1),
    "an unknown trigger": _scale(rules=[{"name": "x", "custom": {"type": "carrier-pigeon", "metadata": {}}}]),
    "a secret that is not there": _edited(lambda properties: properties["configuration"].update(secrets=[])),
    "no containers": _edited(lambda properties: properties["template"].update(containers=[])),
    "a huge name": _text(add=f'\n---\n{{"name": "{"n" * 5000}", "properties": {{}}}}\n'),
}


def _limits(world: World) -> str:
    """Another maximum, and back: counts follow at once."""
    name = world.chance.choice([name for name in world.levels if estate.plain(name)] or [estate.CRON])
    scale = world.manifests[name][0]["properties"]["template"]["scale"]
    world.watch.forget(name)  # a bound holds at once, whatever a window does
    scale["maxReplicas"] = 1
    world.write()
    eventually(lambda: _most(world, name) == 1, what=f"the limit of {name}", within_s=60)
    eventually(lambda: _count(world, name) <= 1, what=f"at most one of {name}", within_s=60)
    world.watch.forget(name)
    scale["maxReplicas"] = estate.MOST
    world.write()
    return name


def _rolled(world: World) -> str:
    """A new revision of an app, perhaps two at once, while it serves or scales."""
    name = world.chance.choice([*world.levels, estate.WEB, estate.CRON])
    for _ in range(world.chance.randint(1, 2)):
        environment = world.manifests[name][0]["properties"]["template"]["containers"][0].setdefault("env", [])
        environment[:] = [it for it in environment if it["name"] != "ROUND"]
        environment.append({"name": "ROUND", "value": str(world.chance.randrange(10**6))})
        world.write()
        time.sleep(world.chance.uniform(0, 2))
    return name


def _gone_and_back(world: World) -> str:
    """An app is taken out, its replicas go, and it comes again."""
    name = world.chance.choice(sorted(world.levels))
    documents = world.manifests.pop(name)
    world.watch.forget(name)
    world.write()
    eventually(lambda: _gone(world, name), what=f"nothing of {name}", within_s=90)
    world.watch.forget(name)
    world.manifests[name] = documents
    world.write()
    return name


def _sick(*command: str, image: str = estate.IMAGE) -> Callable[[World], str]:
    def strike(world: World) -> str:
        """An app that is not well is added, others scale meanwhile, and it is taken out; perhaps over a kill."""
        argv = list(command)
        if not world.docker and not argv:
            argv = ["/nowhere/program"]
        world.manifests[estate.SICK] = estate.sick(argv, docker=world.docker, image=image, replicas=2)
        world.write()
        eventually(lambda: _known(world), what="the added app", within_s=30)
        world.change_levels()
        time.sleep(world.chance.uniform(0.5, _SETTLED_S))
        killed = world.chance.random() < 0.4
        if killed:
            world.kill_service()
            world.start_service()
        del world.manifests[estate.SICK]
        world.write()
        eventually(lambda: _gone(world, estate.SICK), what="nothing of what was not well", within_s=90)
        return "and the service killed" if killed else ""

    return strike


def _known(world: World) -> bool:
    return any(view.name == estate.SICK for view in world.service.api.workloads())


def _most(world: World, name: str) -> int:
    return world.service.api.workload(name).max_replicas


def _gone(world: World, name: str) -> bool:
    return all(view.name != name for view in world.service.api.workloads()) and _count(world, name) == 0


def _count(world: World, name: str) -> int:
    return sum(it.workload == name for it in world.yard.found())


_STUBBORN = "trap '' TERM\nwhile :; do sleep 0.5; done\n"

FAULTS = (
    Fault("manifest broken", _broken, weight=6, quick=True),
    Fault("manifest broken and the service killed", _broken_and_killed),
    Fault("limits edited", _limits, weight=2),
    Fault("revision edited", _rolled, weight=2, quick=True),
    Fault("app taken out and put back", _gone_and_back, weight=2),
    Fault("app that cannot be stopped", _sick("/bin/busybox", "sh", "-c", _STUBBORN), quick=True),
    Fault("app that dies at its start", _sick("/bin/busybox", "sh", "-c", "exit 3")),
    Fault("app without image or program", _sick(image="scaler-faults-missing:1")),
    Fault("app that kills itself", _sick("/bin/busybox", "sh", "-c", "kill -9 $$")),
)
