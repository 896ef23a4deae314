"""The ingress of a service that begins: where apps reach each other, and when proxies are told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from scaler import serving
from scaler.engine import state_dir
from scaler.engine.state_dir import StateDir
from scaler.ingress.ingress import Ingress
from scaler.ingress.settings import IngressSettings, Listen
from scaler.internal_listener import Gateway, InternalListener
from scaler.model import App, Container, Endpoint, Replica, ReplicaState
from scaler.model import Ingress as AppIngress
from scaler.ports.errors import EngineUnavailable
from scaler.ports.recorder import Recorder
from scaler.testing import virtual_time
from scaler.testing.discovered_envoy import free_address
from scaler.testing.observing import workload

GATEWAY = Listen("172.17.0.1", 80)
EXTERNAL = IngressSettings(external_envoy=True)
APP = workload(App((Container("web", "image"),), ingress=AppIngress(8080)), "web")


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[StateDir]:
    with state_dir.open_locked(tmp_path / "state") as opened:
        yield opened


async def at_gateway(network: str | None) -> str:
    assert network is None
    return GATEWAY.host


async def away(network: str | None) -> str:  # noqa: ARG001
    raise EngineUnavailable("no answer")


async def internal(
    directory: StateDir, settings: IngressSettings, *, containers: bool = True, gateway: Gateway = at_gateway
) -> tuple[Listen, ...]:
    listener = InternalListener(directory, None, gateway) if containers else None
    # An external Envoy: there is none to be checked here.
    ingress = await serving.make_ingress(settings, directory, Recorder(), (APP,), internal=listener)
    return ingress.settings.internal


def noted(directory: StateDir, *listens: Listen) -> None:
    directory.write_note("ingress", {"internal": [[listen.host, listen.port] for listen in listens]})


async def test_an_envoy_of_others_goes_on_listening_at_the_gateway(directory: StateDir) -> None:
    """It has the address, so that it cannot be tried."""
    noted(directory, GATEWAY)
    for _ in range(2):
        assert await internal(directory, EXTERNAL) == (GATEWAY,)


async def test_an_engine_that_does_not_answer_takes_nothing_from_what_runs(directory: StateDir) -> None:
    noted(directory, GATEWAY)
    assert await internal(directory, EXTERNAL, gateway=away) == (GATEWAY,)
    ours = IngressSettings(external=free_address())
    assert await internal(directory, ours, gateway=away) == (), "no Envoy of ours runs"


def test_an_engine_that_is_away_at_first_is_asked_until_it_answers(directory: StateDir) -> None:
    here = free_address()
    answers: list[str | None] = [None, None, here.host]

    async def gateway(network: str | None) -> str:  # noqa: ARG001
        if (answer := answers.pop(0)) is None:
            raise EngineUnavailable("no answer")
        return answer

    async def main() -> None:
        listener = InternalListener(directory, None, gateway, port=here.port)
        ingress = Ingress(EXTERNAL, Path("/nowhere"), Recorder())
        following = asyncio.create_task(listener.follow(ingress))
        await asyncio.sleep(60)
        assert not following.done(), "nobody needs it"
        assert len(answers) == 3
        ingress.workload_added(APP)
        await following
        assert ingress.settings.internal == (here,)
        assert listener.before(external_envoy=True) == (here,), "for the next run"
        assert serving.names_in_containers(ingress) == {}, "containers have a loopback of their own"
        await ingress.__aexit__(None, None, None)

    virtual_time.run(main())


async def test_nobody_looks_for_a_listener_before_an_app_needs_it(directory: StateDir) -> None:
    async def never(network: str | None) -> str:
        pytest.fail(f"asked for {network}")

    listener = InternalListener(directory, None, never)
    assert (await serving.make_ingress(EXTERNAL, directory, Recorder(), (), internal=listener)).settings.internal == ()


async def test_what_was_asked_for_once_is_not_asked_for_again(directory: StateDir) -> None:
    asked = Listen("127.0.0.1", 9000)
    given = IngressSettings(internal=(asked,), external_envoy=True)
    for containers in (True, False):
        assert await internal(directory, given, containers=containers) == (asked,)
    assert await internal(directory, EXTERNAL, containers=False) == ()
    noted(directory, asked, GATEWAY)
    assert await internal(directory, EXTERNAL) == (GATEWAY,)


@pytest.mark.parametrize(
    ("listens", "address"),
    [
        pytest.param((Listen("127.0.0.1", 80), Listen("172.17.0.1", 80)), "172.17.0.1", id="not this machine's own"),
        pytest.param((Listen("::1", 80), Listen("fd00::1", 80)), "fd00::1", id="IPv6"),
        pytest.param((Listen("::1", 80), Listen("127.0.0.2", 80)), None, id="none that a container reaches"),
    ],
)
async def test_containers_know_apps_by_an_address_that_they_reach(
    listens: tuple[Listen, ...], address: str | None
) -> None:
    ingress = Ingress(IngressSettings(internal=listens, external_envoy=True), Path("/nowhere"), Recorder())
    ingress.workload_added(APP)
    names = {"web": address, "web.scaler.internal": address} if address else {}
    assert serving.names_in_containers(ingress) == names
    await ingress.__aexit__(None, None, None)


class World:
    """An app, and what an engine says of its replicas one time after the other; the last holds."""

    def __init__(self, *answers: Sequence[Replica] | None) -> None:
        self.ingress = Ingress(EXTERNAL, Path("/nowhere"), Recorder())
        self.answers = list(answers)
        self.configured = asyncio.Event()

    async def owned(self) -> Mapping[str, Sequence[Replica]]:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            raise EngineUnavailable("no answer")
        return {"web": answer}

    @property
    def begun(self) -> bool:
        return self.ingress._discovery.started


def run(*answers: Sequence[Replica] | None) -> float:
    """Return after how many seconds the ingress begins."""

    async def main() -> float:
        world = World(*answers)
        introduction = asyncio.create_task(serving.introduce(world.ingress, world.owned, world.configured))
        await asyncio.sleep(0)
        began = asyncio.get_running_loop().time()
        world.ingress.workload_added(APP)
        assert not world.begun
        world.configured.set()
        await introduction
        assert world.begun
        await world.ingress.__aexit__(None, None, None)
        return asyncio.get_running_loop().time() - began

    return virtual_time.run(main())


def replica(state: ReplicaState, *, started_s_ago: float) -> Replica:
    started_at = time.time() - started_s_ago
    return Replica("1", "web-1", "web", "v1", state, started_at=started_at, endpoint=Endpoint("10.0.0.1", 1))


def test_proxies_are_told_when_the_engine_has_told_what_runs() -> None:
    ready = replica(ReplicaState.READY, started_s_ago=100)
    assert run([ready]) == 0
    assert 0.1 < run(None, None, [ready]) < 1


def test_what_ran_before_is_looked_at_before_proxies_are_told() -> None:
    unknown = replica(ReplicaState.STARTING, started_s_ago=100)
    ready = replica(ReplicaState.READY, started_s_ago=100)
    assert 0 < run(None, [unknown], [unknown], [ready]) < 1
    assert run([unknown]) == pytest.approx(2, abs=0.1), "not for ever"
    assert run([replica(ReplicaState.STARTING, started_s_ago=-100)]) == 0, "what starts anew takes its time"
