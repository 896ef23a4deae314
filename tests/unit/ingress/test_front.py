"""One app's front: in which order proxies, the waiting room and drains follow its replicas."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from scaler.ingress.front import RELEASE_SETTLES_S, Front
from scaler.ingress.load_reports import ClusterLoad, EndpointLoad
from scaler.ingress.proxies import Proxies
from scaler.ingress.site import Site
from scaler.ingress.traffic import AppTraffic
from scaler.ingress.waiting_room import Refused, Released
from scaler.model import App, Container, CustomDomain, Endpoint, Ingress, Replica, ReplicaState, Workload
from scaler.ports.recorder import Recorder
from scaler.testing import virtual_time
from scaler.testing.observing import workload
from scaler.testing.sites import FakeSites

READY, DRAINING, CRASHED = ReplicaState.READY, ReplicaState.DRAINING, ReplicaState.CRASHED
STARTING, NOT_READY = ReplicaState.STARTING, ReplicaState.NOT_READY
APP = App((Container("web", "image"),), ingress=Ingress(8080))


def app(**ingress: object) -> Workload:
    return workload(replace(APP, ingress=Ingress(**{"target_port": 8080, **ingress})), "web")


def replica(name: str, state: ReplicaState = READY, *, restarts: int = 0, detail: str = "") -> Replica:
    """Return a replica whose name is its port, too."""
    return Replica(
        id=name,
        name=name,
        workload="web",
        revision="v1",
        state=state,
        restarts=restarts,
        detail=detail,
        endpoint=None if state is CRASHED else Endpoint("10.0.0.1", int(name)),
    )


class Heard(Recorder):
    """Keeps what is told of requests."""

    def __init__(self) -> None:
        self.held: list[int] = []
        self.in_flight: list[int] = []

    def traffic(self, workload: Workload, *, held: int, in_flight: int) -> None:  # noqa: ARG002
        self.held.append(held)
        self.in_flight.append(in_flight)


class World:
    """A front with one proxy, which reports four times a second."""

    def __init__(self, *, prompt: bool = True) -> None:
        self.sites = FakeSites(prompt=prompt)
        self.heard = Heard()
        self.watches = 0
        self.busy: dict[str, int] = {}
        self._apps: dict[str, Front] = {}
        self.proxies = Proxies(self._apps, lambda _: "web", lost=lambda _: None)
        self.traffic = AppTraffic(self.proxies, asyncio.get_running_loop().time)
        self.front = self._apps["web"] = Front(
            app(), discovery=self.sites, traffic=self.traffic, recorder=self.heard, watched=self._watched
        )
        self.tasks: list[asyncio.Task[object]] = []

    def _watched(self) -> None:
        self.watches += 1

    async def begin(self) -> None:
        self.front.configure(app())
        self.go(self.front.run())
        self.go(self._report())
        await self.settle()

    def go(self, work: Awaitable[object]) -> asyncio.Task[object]:
        task = asyncio.ensure_future(work)
        self.tasks.append(task)
        return task

    async def settle(self) -> None:
        """Let all happen that needs no time."""
        for _ in range(50):
            await asyncio.sleep(0)

    async def serve(self, *replicas: Replica) -> None:
        self.front.serve(replicas)
        await self.settle()

    async def acknowledge(self) -> None:
        self.sites.acknowledge()
        await self.settle()

    async def request(self) -> asyncio.Task[object]:
        task = self.go(self.front.room.wait())
        await self.settle()
        return task

    async def drain(self, name: str) -> asyncio.Task[object]:
        task = self.go(self.front.drain(replica(name, DRAINING)))
        await self.settle()
        return task

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks)
        assert asyncio.all_tasks() == {asyncio.current_task()}, "tasks are left behind"

    async def _report(self) -> None:
        self.proxies.connected("envoy")
        while True:
            parts = {Endpoint("10.0.0.1", int(name)): EndpointLoad(count) for name, count in self.busy.items()}
            load = ClusterLoad(sum(self.busy.values()), 0, parts)
            self.proxies.reported("envoy", {"app/web": load} if parts else {})
            await asyncio.sleep(0.25)


def run(test: Callable[[World], Awaitable[None]], *, prompt: bool = True) -> None:
    async def main() -> None:
        world = World(prompt=prompt)
        await world.begin()
        try:
            await test(world)
        finally:
            await world.end()

    virtual_time.run(main())


def told(site: Site) -> tuple[bool, Mapping[str, str]]:
    """Return whether requests go straight to replicas, and which get some and which keep some."""
    return site.hot, {each.replica: "draining" if each.draining else "ready" for each in site.backends}


def now() -> float:
    return asyncio.get_running_loop().time()


def test_from_cold_to_hot_is_endpoints_then_the_room_then_the_route() -> None:
    async def test(world: World) -> None:
        waiting = await world.request()
        await world.serve(replica("1"))
        assert told(world.sites.latest) == (False, {"1": "ready"})
        assert not world.front.room.is_open
        assert not waiting.done(), "it is not let go before proxies know where to"
        await world.acknowledge()
        assert isinstance(waiting.result(), Released)
        assert told(world.sites.latest) == (True, {"1": "ready"})

    run(test, prompt=False)


def test_from_hot_to_cold_is_the_route_then_the_room_then_endpoints() -> None:
    async def test(world: World) -> None:
        await world.serve(replica("1"))
        await world.acknowledge()
        await world.acknowledge()
        await world.serve(replica("1", DRAINING))
        assert told(world.sites.latest) == (False, {"1": "ready"})
        assert world.front.room.is_open, "proxies may not ask yet"
        await world.acknowledge()
        assert not world.front.room.is_open
        assert told(world.sites.latest) == (False, {"1": "ready"}), "what was released last is on its way"
        await asyncio.sleep(RELEASE_SETTLES_S)
        await world.settle()
        assert told(world.sites.latest) == (False, {"1": "draining"})
        drained = await world.drain("1")
        await asyncio.sleep(5)
        assert not drained.done(), "proxies have not acknowledged yet"
        await world.acknowledge()
        began = now()
        assert await drained is True
        assert now() - began <= 0.75, "three reports: of a time before, and two"

    run(test, prompt=False)


def test_one_of_several_drains_while_the_others_stay_hot() -> None:
    async def test(world: World) -> None:
        await world.serve(replica("1"), replica("2"))
        world.busy = {"1": 1, "2": 3}
        await asyncio.sleep(1)
        await world.serve(replica("1"), replica("2", DRAINING))
        assert told(world.sites.latest) == (True, {"1": "ready", "2": "draining"})
        assert world.front.in_flight() == {"1": 1, "2": 3}
        drained = await world.drain("2")
        await asyncio.sleep(10)
        assert not drained.done()
        world.busy = {"1": 5}
        assert await drained is True
        assert [site.hot for site in world.sites.history].count(False) == 2, "at first, and with the first endpoints"

    run(test)


def test_replicas_that_change_in_the_middle_of_a_step_begin_it_anew() -> None:
    async def test(world: World) -> None:
        await world.request()
        await world.serve(replica("1"))
        await world.serve(replica("2"))
        assert told(world.sites.latest) == (False, {"2": "ready"})
        await world.serve()
        assert told(world.sites.latest) == (False, {})
        await world.acknowledge()
        assert world.front.room.held == 1
        await world.serve(replica("3"))
        await world.acknowledge()
        await world.acknowledge()
        assert (told(world.sites.latest), world.front.room.held) == ((True, {"3": "ready"}), 0)

    run(test, prompt=False)


def test_a_request_calls_all_draining_replicas_back_and_goes_to_them() -> None:
    async def test(world: World) -> None:
        await world.serve(replica("1"), replica("2"))
        world.busy = {"1": 1, "2": 1}
        await world.serve(replica("1", DRAINING), replica("2", DRAINING))
        drains = [await world.drain("1"), await world.drain("2")]
        await asyncio.sleep(3)
        waiting = await world.request()
        assert [await each for each in drains] == [False, False]
        await world.serve(replica("1"), replica("2", DRAINING))
        assert isinstance(waiting.result(), Released)
        assert told(world.sites.latest) == (True, {"1": "ready", "2": "draining"})

    run(test)


def test_a_call_back_does_not_wait_until_releases_have_settled() -> None:
    async def test(world: World) -> None:
        await world.serve(replica("1"))
        await world.serve(replica("1", DRAINING))
        drained = await world.drain("1")
        began = now()
        waiting = await world.request()
        assert await drained is False
        await world.serve(replica("1"))
        assert isinstance(await waiting, Released)
        assert now() == began

    run(test)


def test_a_draining_replica_is_called_back_when_the_others_end_while_a_request_waits() -> None:
    async def test(world: World) -> None:
        await world.serve(replica("1"))
        await world.acknowledge()
        await world.acknowledge()
        await world.serve(replica("1", DRAINING))
        await world.acknowledge()
        await asyncio.sleep(1)
        drained = await world.drain("1")
        await world.serve(replica("1", DRAINING), replica("2"))
        waiting = await world.request()
        await asyncio.sleep(1)
        assert (waiting.done(), drained.done()) == (False, False), "the second is to take it"
        await world.serve(replica("1", DRAINING), replica("2", CRASHED))
        assert drained.done()
        assert drained.result() is False

    run(test, prompt=False)


def test_a_replica_that_crashes_while_draining_leaves_the_endpoints() -> None:
    async def test(world: World) -> None:
        await world.serve(replica("1"), replica("2"))
        await world.serve(replica("1"), replica("2", DRAINING))
        world.busy = {"2": 1}
        drained = await world.drain("2")
        await asyncio.sleep(1)
        await world.serve(replica("1"), replica("2", ReplicaState.STOPPING))
        assert told(world.sites.latest) == (True, {"1": "ready"})
        drained.cancel()  # the actuator does, who saw the end

    run(test)


def test_a_busy_replica_that_fails_its_probe_keeps_its_requests_and_is_counted() -> None:
    async def test(world: World) -> None:
        await world.serve(replica("1"), replica("2"))
        world.busy = {"1": 1, "2": 7}
        await asyncio.sleep(1)
        await world.serve(replica("1"), replica("2", NOT_READY))
        assert told(world.sites.latest) == (True, {"1": "ready", "2": "draining"})
        assert world.front.in_flight() == {"1": 1, "2": 7}
        await world.serve(replica("1"), replica("2", DRAINING))
        drained = await world.drain("2")
        await asyncio.sleep(10)
        assert not drained.done()
        world.busy = {}
        assert await drained is True

    run(test)


def test_when_no_replica_is_ready_requests_wait_at_once() -> None:
    async def test(world: World) -> None:
        await world.serve(replica("1"))
        await world.serve(replica("1", NOT_READY))
        assert told(world.sites.latest) == (False, {"1": "draining"})
        assert not (await world.request()).done()
        await world.serve(replica("1", CRASHED))
        assert told(world.sites.latest) == (False, {})
        await world.serve(replica("1"))
        assert (told(world.sites.latest), world.front.room.held) == ((True, {"1": "ready"}), 0)

    run(test)


def test_replicas_that_keep_ending_answer_those_who_wait_until_one_is_on_its_way() -> None:
    async def test(world: World) -> None:
        waiting = await world.request()
        await world.serve(replica("1", CRASHED, detail="exit code 1"))
        assert not waiting.done(), "a restart follows at once"
        await world.serve(replica("1", CRASHED, restarts=1, detail="exit code 1"))
        refused = waiting.result()
        assert isinstance(refused, Refused)
        assert (refused.status, refused.reason) == (503, "its replica does not stay up: exit code 1")
        assert isinstance((await world.request()).result(), Refused)
        await world.serve(replica("1", STARTING, restarts=1))
        assert not (await world.request()).done()

    run(test)


def test_clients_are_told_how_a_replica_ends_but_not_in_the_engines_words() -> None:
    async def test(world: World) -> None:
        detail = 'exit code 127: OCI runtime create failed: exec: "/srv/private/run": no such file'
        await world.serve(replica("1", CRASHED, restarts=1, detail=detail))
        refused = (await world.request()).result()
        assert isinstance(refused, Refused)
        assert refused.reason == "its replica does not stay up: exit code 127"

    run(test)


def test_an_edit_keeps_those_who_wait_and_what_is_said_of_them() -> None:
    async def test(world: World) -> None:
        waiting = await world.request()
        puts = len(world.sites.history)
        world.heard.held.clear()
        world.front.leave()
        world.front.configure(app(custom_domains=(CustomDomain("shop.example"),)))
        assert world.heard.held == [1], "series that an edit made anew begin at none"
        assert [site.routed for site in world.sites.history[puts:]] == [False, True]
        await world.serve(replica("1"))
        assert isinstance(waiting.result(), Released)
        assert world.sites.latest.ingress.custom_domains

    run(test)


def test_an_edit_does_not_let_wait_for_what_does_not_stay_up() -> None:
    async def test(world: World) -> None:
        await world.serve(replica("1", CRASHED, restarts=2, detail="exit code 1"))
        world.front.configure(app(request_timeout_s=1.0))
        assert isinstance((await world.request()).result(), Refused)

    run(test)


def test_removed_apps_turn_waiters_away_and_drain() -> None:
    async def test(world: World) -> None:
        waiting = await world.request()
        world.front.leave()
        world.front.turn_away()
        await world.settle()
        refused = waiting.result()
        assert isinstance(refused, Refused)
        assert refused.reason == "this app was removed"
        assert world.front.abandoned
        await world.serve(replica("1"))
        await world.serve(replica("1", DRAINING))
        assert not world.front.abandoned
        world.busy = {"1": 1}
        drained = await world.drain("1")
        await asyncio.sleep(3)
        assert not drained.done()
        world.busy = {}
        assert await drained is True
        assert not any(site.routed for site in world.sites.history[-3:])
        await world.serve()
        assert world.front.abandoned

    run(test)


def test_before_proxies_are_told_what_runs_goes_on_as_it_was() -> None:
    async def test(world: World) -> None:
        world.sites.started = False
        await world.serve(replica("1"))
        assert told(world.sites.latest) == (True, {"1": "ready"})
        assert not world.front.room.is_open
        world.sites.started = True
        await world.acknowledge()
        assert world.front.room.is_open

    run(test, prompt=False)


def test_a_rejected_app_is_in_step_when_an_edit_mends_it() -> None:
    async def test(world: World) -> None:
        world.sites.rejects = "no such range of addresses"
        await world.serve(replica("1"), replica("2"))
        await world.serve(replica("1"), replica("2", DRAINING))
        assert await (await world.drain("2")) is True
        await world.serve(replica("1"))
        world.sites.rejects = None
        world.front.configure(app(external=True))
        assert (told(world.sites.latest), world.front.room.is_open) == ((True, {"1": "ready"}), True)

    run(test)


def test_without_a_proxy_nothing_is_drained_nor_let_go() -> None:
    async def test(world: World) -> None:
        waiting = await world.request()
        await world.serve(replica("1"))
        await asyncio.sleep(100)
        assert not waiting.done()
        await world.serve(replica("1", DRAINING))
        drained = await world.drain("1")
        assert await drained is False, "the request that waits calls it back"

    run(test, prompt=False)


def test_reports_are_asked_for_only_while_there_are_replicas() -> None:
    async def test(world: World) -> None:
        assert world.watches == 0
        await world.serve(replica("1"))
        await world.serve(replica("1"), replica("2"))
        assert world.watches == 1
        await world.serve()
        assert world.watches == 2

    run(test)


def test_a_released_request_that_no_report_tells_of_is_shown_no_longer() -> None:
    """Its client hung up just then: nothing else changes by which the last figure would be mended."""

    async def test(world: World) -> None:
        waiting = [await world.request() for _ in range(3)]
        await world.serve(replica("1"))
        assert all(isinstance(each.result(), Released) for each in waiting)
        assert world.heard.in_flight[-1] == 3
        await asyncio.sleep(1)
        await world.request()
        assert world.heard.in_flight[-1] == 4
        await asyncio.sleep(5)
        assert world.heard.in_flight[-1] == 0

    run(test)


def test_work_that_a_bug_broke_is_done_when_it_begins_again() -> None:
    async def main() -> None:
        world = World()
        world.front.configure(app())
        first = asyncio.create_task(world.front.run())
        world.sites.prompt = False
        await world.serve(replica("1"))
        first.cancel()
        await asyncio.wait((first,))
        world.sites.prompt = True
        world.go(world.front.run())
        await world.settle()
        assert told(world.sites.latest) == (True, {"1": "ready"})
        await world.end()

    virtual_time.run(main())
