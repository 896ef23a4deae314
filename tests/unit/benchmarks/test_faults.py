"""The run of faults sees what is broken: each invariant is broken on purpose, and the look at it says so."""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from benchmarks.faults import estate, kinds
from benchmarks.faults.fault import Fault
from benchmarks.faults.invariants import Invariants
from benchmarks.faults.replicas import Found, Yard
from benchmarks.faults.watch import Watch
from benchmarks.faults.world import World
from scaler.model import MetricType, ReplicaState, TriggerKind
from scaler.observability.views import DecisionView, ReplicaView, TriggerView, WorkloadView
from scaler.testing.http_client import Kind, Tally
from scaler.testing.polling import eventually

# What is broken for good is told after so long; what is well is seen to be at once, however long it may take.
BROKEN_S, PATIENCE_S, LOOK_S = 0.2, 60.0, 0.02
HARMLESS = Fault("nothing", lambda _: "")
LOSSY = Fault("a loss", lambda _: "", requests_lost=True)


def view(name: str, *replicas: str, desired: int | None = None, error: str | None = None) -> WorkloadView:
    """Return what the service would say of a workload."""
    count = len(replicas) if desired is None else desired
    trigger = TriggerView(
        name="jobs", type="redis", kind=TriggerKind.EXTERNAL, metric_type=MetricType.AVERAGE_VALUE, target=5,
        activation=0, error=error,
    )  # fmt: skip
    seen = [
        ReplicaView(id=it, name=it, revision="1", state=ReplicaState.READY, started_at=1.0, restarts=0, detail="")
        for it in replicas
    ]
    decision = DecisionView.model_construct(desired=count)
    return WorkloadView.model_construct(
        name=name, triggers=[trigger], replicas=seen, decision=decision, actuation_error=None
    )


@dataclass
class Api:
    """What the service says."""

    views: list[WorkloadView] = field(default_factory=list)
    address: str = ""

    def workloads(self) -> list[WorkloadView]:
        return self.views

    def workload(self, name: str) -> WorkloadView:
        return next(it for it in self.views if it.name == name)


@dataclass
class Service:
    """As much of one as is looked at."""

    api: Api = field(default_factory=Api)
    log: str = ""
    pid: int = 0
    printed: str = ""
    twice: list[str] = field(default_factory=list)
    manifest: Path = Path("manifest.yaml")

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(arguments, 0, self.printed, "")

    def repeated(self) -> list[str]:
        return self.twice


@dataclass
class Replicas(Yard):
    """What runs."""

    there: list[Found] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def found(self) -> list[Found]:
        return self.there

    def remove(self, found: Found) -> None:
        self.there.remove(found)

    def strangers(self) -> Sequence[str]:
        return list(self.others)

    def close(self) -> None:
        pass


class Client:
    """Is answered whenever it is looked at."""

    def __init__(self) -> None:
        self._tally = Tally()

    @property
    def tally(self) -> Tally:
        self._tally.succeeded(Kind.GET, seconds=0.1, size=1)
        return self._tally


@pytest.fixture
def service() -> Service:
    return Service(Api([view("list", "list-a", "list-b")]), pid=os.getpid())


@pytest.fixture
def world(service: Service, tmp_path: Path) -> World:
    """All is well in it: two replicas are wanted, told of and there."""
    yard = Replicas([Found("1", "list-a", "list"), Found("2", "list-b", "list")], ["somebody else's"])
    watch = Watch(cast("Any", service), plain=[])
    return World(
        "process", tmp_path, cast("Any", service), {}, yard, watch, cast("Any", Client()), random.Random(0),  # noqa: S311 - nothing is drawn
        manifests={"list": []}, levels={"list": 2},
    )  # fmt: skip


def looking(world: World, *, settle_s: float = PATIENCE_S) -> Invariants:
    return Invariants(world, settle_s, LOOK_S)


def broken(world: World, fault: Fault = HARMLESS) -> str:
    """Return what is said to be broken in a world where all was well before."""
    return "\n".join(looking(world, settle_s=BROKEN_S).check(fault))


def there(world: World) -> list[Found]:
    return cast("Replicas", world.yard).there


@pytest.mark.usefixtures("answered")
def test_nothing_is_said_when_all_is_well(world: World) -> None:
    invariants = looking(world)
    assert invariants.begin() == []
    assert invariants.check(HARMLESS) == []


@pytest.mark.usefixtures("answered")
class TestCounts:
    def test_a_replica_without_an_owner(self, world: World) -> None:
        there(world).append(Found("3", "gone-x", "gone"))
        assert "gone-x has no owner: there is no workload gone" in broken(world)

    def test_a_replica_that_is_there_twice(self, world: World) -> None:
        there(world)[1] = Found("3", "list-a", "list")
        assert "list-a is there 2 times" in broken(world)

    def test_one_too_many_and_one_too_few(self, world: World) -> None:
        there(world).append(Found("3", "list-c", "list"))
        assert "list has 3 replicas and should have 2 to 2" in broken(world)
        del there(world)[1:]
        assert "list has 1 replicas and should have 2 to 2" in broken(world)

    def test_one_that_the_service_does_not_tell_of(self, world: World) -> None:
        there(world)[1] = Found("3", "list-c", "list")
        assert "the service tells of ['list-a', 'list-b'], there are ['list-a', 'list-c']" in broken(world)

    def test_one_that_does_not_run(self, world: World) -> None:
        there(world)[1] = Found("2", "list-b", "list", runs=False)
        assert "list: ['list-b'] do not run" in broken(world)

    def test_a_source_that_stays_unknown(self, world: World, service: Service) -> None:
        service.api.views = [view("list", "list-a", "list-b", error="refused")]
        assert "list: unknown: ['jobs: refused']" in broken(world)

    def test_a_workload_that_is_missing(self, world: World) -> None:
        world.manifests["more"] = []
        assert "workloads are ['list'], and should be ['list', 'more']" in broken(world)

    def test_what_is_well_late_is_well(self, world: World) -> None:
        extra = Found("3", "list-c", "list")
        there(world).append(extra)
        mended = threading.Timer(0.3, there(world).remove, [extra])
        mended.start()
        assert "\n".join(looking(world).check(HARMLESS)) == ""
        mended.join()


@pytest.mark.usefixtures("answered")
def test_things_of_others_that_changed(world: World) -> None:
    invariants = looking(world)
    invariants.begin()
    cast("Replicas", world.yard).others.clear()
    assert 'others had ["somebody else\'s"] and now have []' in "\n".join(invariants.check(HARMLESS))


@pytest.mark.usefixtures("answered")
class TestRequests:
    def test_one_that_failed(self, world: World) -> None:
        world.client.tally.failed(Kind.DIGEST, "status 503", began_s=time.monotonic())
        assert "1 requests failed: ['upload: status 503']" in broken(world)

    def test_one_that_began_before_a_loss_was_over_belongs_to_it(self, world: World) -> None:
        invariants = looking(world)
        began = time.monotonic()
        world.client.tally.failed(Kind.GET, "reset", began_s=began)
        assert invariants.check(LOSSY) == []
        world.client.tally.failed(Kind.GET, "reset, and told late", began_s=began)
        assert invariants.check(HARMLESS) == []
        world.client.tally.failed(Kind.GET, "reset", began_s=time.monotonic())
        assert len(invariants.check(HARMLESS)) == 1

    def test_one_that_reached_an_app_twice(self, world: World, service: Service) -> None:
        service.twice = ["8-1-17"]
        assert "requests ['8-1-17'] reached an app twice" in broken(world)

    def test_that_none_is_answered(self, world: World) -> None:
        client = Client()
        tally = client.tally
        world.client = cast("Any", type("Silent", (), {"tally": tally})())
        assert "requests are not answered any more" in broken(world)


class TestWindows:
    def test_a_count_that_falls_too_early(self, world: World, service: Service) -> None:
        with world.watch.running():
            world.watch.confirm({"list": 2})
            service.api.views = [view("list", "list-a", desired=1)]
            eventually(lambda: world.watch.broken, what="a fall that is told")
        assert f"list went to 1 while a window of {estate.WINDOW_S:g} s holds 2" in world.watch.broken

    @pytest.mark.usefixtures("answered")
    def test_it_is_told_with_the_fault_unless_the_state_is_lost(self, world: World) -> None:
        world.watch.broken = ["list went to 1"]
        assert "list went to 1 (1 times)" in broken(world)
        world.watch.broken = ["list went to 1"]
        assert looking(world).check(Fault("state lost", lambda _: "", states_lost=True)) == []


def test_replicas_are_lost_only_where_requests_may_be_too() -> None:
    """So that a request with a body too long to be sent again may fail with its replica, and at no other time."""
    assert all(fault.requests_lost for fault in kinds.ALL.values() if fault.replicas_lost)
