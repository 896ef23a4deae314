"""A real Envoy and the discovery service: what is acknowledged is in force, and nothing bad spreads."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from scaler.ingress.settings import Listen
from scaler.ingress.xds.discovery import Discovery, SiteRejected
from scaler.model import CorsPolicy, CustomDomain, Transport
from scaler.testing.discovered_envoy import Control, answers, envoy, get, replica, running, settings, site
from scaler.testing.observing import eventually
from scaler.testing.servers.process import free_port

pytestmark = pytest.mark.services

# Passes our own check, and is more than Envoy compiles.
REFUSED = CorsPolicy(allowed_origins=("https://" + "*." * 50000,))


class Told:
    """A discovery with what it told back."""

    def __init__(self, **given: object) -> None:
        self.settings = settings(**given)
        self.rejected: list[tuple[frozenset[str], str]] = []
        self.counts: list[int] = []
        self.discovery = self.another()

    def another(self, **given: Any) -> Discovery:
        return Discovery(
            self.settings,
            on_connected=self.counts.append,
            on_rejected=lambda apps, message: self.rejected.append((apps, message)),
            **given,
        )


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def control(told: Told, tmp_path: Path) -> AsyncIterator[Control]:
    async with running(told.discovery, tmp_path) as control:
        yield control


@pytest.mark.usefixtures("control")
async def test_what_is_acknowledged_is_in_force(told: Told, tmp_path: Path) -> None:
    discovery, at = told.discovery, told.settings.external
    async with envoy(tmp_path), replica("one") as one, replica("two") as two:
        discovery.put(site("app", one))
        discovery.start()
        await discovery.acknowledged("app")
        assert (await answers(at, "app.localhost")).body.startswith(b"one")
        for port, says in ((two, b"two"), (one, b"one")) * 5:
            discovery.put(site("app", port))
            await discovery.acknowledged("app")
            assert (await get(at, "app.localhost")).body.startswith(says)
        discovery.drop("app")
        await discovery.acknowledged("app")
        assert (await get(at, "app.localhost")).status == 404
        assert told.rejected == []
        assert told.counts == [1]
    assert (await eventually(lambda: _count(told), lambda count: count == 0)) == 0


async def _count(told: Told) -> int:
    return told.discovery.connected


async def test_a_cold_app_is_held_and_a_hot_one_is_not(told: Told, control: Control, tmp_path: Path) -> None:
    discovery, at = told.discovery, told.settings.external
    async with envoy(tmp_path), replica("one") as one:
        discovery.put(site("app", one, hot=False))
        discovery.start()
        await discovery.acknowledged("app")
        assert (await answers(at, "app.localhost")).status == 200
        assert [dict(each.attributes.context_extensions) for each in control.held] == [{"app": "app"}]
        discovery.put(site("app", one))
        await discovery.acknowledged("app")
        await get(at, "app.localhost")
        assert len(control.held) == 1


@pytest.mark.usefixtures("control")
async def test_nothing_is_acknowledged_without_an_envoy_or_before_the_start(told: Told, tmp_path: Path) -> None:
    told.discovery.put(site("app", free_port()))
    waiting = asyncio.create_task(told.discovery.acknowledged("app"))
    async with envoy(tmp_path):
        await eventually(lambda: _count(told), lambda count: count == 1)
        assert not waiting.done()
        told.discovery.start()
        await asyncio.wait_for(waiting, 60)


@pytest.mark.usefixtures("control")
async def test_an_app_that_envoy_refuses_is_left_out_and_the_others_go_on(told: Told, tmp_path: Path) -> None:
    discovery, at = told.discovery, told.settings.external
    async with envoy(tmp_path), replica("one") as one:
        for name in ("a", "b", "c", "d", "e"):
            discovery.put(site(name, one))
        discovery.put(site("bad", one, cors=REFUSED))
        discovery.start()
        for name in ("a", "b", "c", "d", "e"):
            await discovery.acknowledged(name)
            assert (await answers(at, f"{name}.localhost")).status == 200
        with pytest.raises(SiteRejected, match="regex"):
            await discovery.acknowledged("bad")
        assert [apps for apps, _ in told.rejected] == [{"bad"}]
        # Mended, it is served.
        discovery.put(site("bad", one))
        await discovery.acknowledged("bad")
        assert (await get(at, "bad.localhost")).status == 200


@pytest.mark.usefixtures("control")
async def test_a_refused_change_leaves_the_app_as_it_was_while_its_replicas_go_on(told: Told, tmp_path: Path) -> None:
    discovery, at = told.discovery, told.settings.external
    async with envoy(tmp_path), replica("one") as one, replica("two") as two:
        discovery.put(site("app", one))
        discovery.start()
        await discovery.acknowledged("app")
        discovery.put(site("app", one, cors=REFUSED))
        await discovery.acknowledged("app")
        assert [apps for apps, _ in told.rejected] == [{"app"}]
        assert (await get(at, "app.localhost")).body.startswith(b"one")
        discovery.put(site("app", two, cors=REFUSED))
        await discovery.acknowledged("app")
        assert (await get(at, "app.localhost")).body.startswith(b"two")
        assert len(told.rejected) == 1


@pytest.mark.usefixtures("control")
async def test_one_of_two_apps_with_the_same_domain_keeps_it(told: Told, tmp_path: Path) -> None:
    discovery, at = told.discovery, told.settings.external
    shared = (CustomDomain("Shop.Example"),)
    async with envoy(tmp_path), replica("one") as one, replica("two") as two:
        discovery.put(site("first", one, custom_domains=shared))
        discovery.put(site("second", two, custom_domains=shared))
        discovery.start()
        await discovery.acknowledged("second")
        assert (await answers(at, "shop.example:80")).body.startswith(b"one")
        assert (await get(at, "second.localhost")).body.startswith(b"two")
        assert [apps for apps, _ in told.rejected] == [{"second"}]
        discovery.drop("first")
        await discovery.acknowledged("second")
        await discovery.acknowledged("first")
        assert (await get(at, "SHOP.example.")).body.startswith(b"two")


async def test_a_service_that_comes_back_disturbs_nothing(told: Told, control: Control, tmp_path: Path) -> None:
    at = told.settings.external
    async with envoy(tmp_path), replica("one") as one:
        told.discovery.put(site("app", one))
        told.discovery.start()
        await told.discovery.acknowledged("app")
        await answers(at, "app.localhost")
        answered: list[int] = []
        over = asyncio.Event()

        async def ask() -> None:
            while not over.is_set():
                answered.append((await get(at, "app.localhost")).status)

        asking = asyncio.create_task(ask())
        for number in range(3):
            await control.stop()
            assert (await get(at, "app.localhost")).status == 200
            control.discovery = told.another()
            told.discovery = control.discovery
            await control.start()
            # Nothing is put yet: Envoy is connected, and goes on with what it has.
            await eventually(lambda: _count(told), lambda count: count == 1)
            assert (await get(at, "app.localhost")).status == 200
            told.discovery.put(site("app", one))
            told.discovery.put(site(f"new-{number}", one))
            told.discovery.start()
            await asyncio.wait_for(told.discovery.acknowledged("app"), 60)
        over.set()
        await asking
        assert set(answered) == {200}


async def test_a_held_request_outlives_a_restart_of_the_service(told: Told, control: Control, tmp_path: Path) -> None:
    at, check = told.settings.external, control.check
    never = asyncio.Event()

    async def hold(_: object) -> object:
        await never.wait()
        return None

    control.check = hold
    async with envoy(tmp_path), replica("one") as one:
        told.discovery.put(site("app", one, hot=False))
        told.discovery.start()
        await told.discovery.acknowledged("app")
        asking = asyncio.create_task(answers(at, "app.localhost"))
        await eventually(lambda: _held(control), lambda held: held == 1)
        await control.stop()
        control.check = check
        control.discovery = told.another()
        await control.start()
        assert (await asking).status == 200
        assert len(control.held) == 2


async def _held(control: Control) -> int:
    return len(control.held)


@pytest.mark.usefixtures("control")
async def test_changing_what_replicas_speak_fails_no_request(told: Told, tmp_path: Path) -> None:
    """Clusters come before the routes that lead to them, and go after."""
    discovery, at = told.discovery, told.settings.external
    async with envoy(tmp_path), replica("one") as one:
        discovery.put(site("app", one))
        discovery.start()
        await discovery.acknowledged("app")
        await answers(at, "app.localhost")
        answered: list[int] = []
        over = asyncio.Event()

        async def ask() -> None:
            while not over.is_set():
                answered.append((await get(at, "app.localhost")).status)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(ask())
            for transport in (Transport.HTTP, Transport.AUTO) * 10:
                discovery.put(site("app", one, transport=transport))
                discovery.put(site("other", one, hot=transport is Transport.HTTP))
                await discovery.acknowledged("app")
            over.set()
        assert set(answered) == {200}


async def test_every_envoy_is_waited_for_but_one_that_hangs_only_so_long(
    told: Told, control: Control, tmp_path: Path
) -> None:
    discovery = told.another(answer_timeout_s=1.0)
    await control.stop()
    control.discovery = told.discovery = discovery
    await control.start()
    discovery.start()
    async with envoy(tmp_path, name="a"), envoy(tmp_path, name="b") as second:
        await eventually(lambda: _count(told), lambda count: count == 2)
        discovery.put(site("app", free_port()))
        await discovery.acknowledged("app")
        os.kill(second.pid, signal.SIGSTOP)
        discovery.put(site("app", free_port()))
        waiting = asyncio.create_task(discovery.acknowledged("app"))
        await asyncio.wait_for(waiting, 60)
        assert discovery.connected == 1
        os.kill(second.pid, signal.SIGCONT)
        await eventually(lambda: _count(told), lambda count: count == 2)
        await discovery.acknowledged("app")


@pytest.mark.usefixtures("control")
async def test_a_port_that_is_taken_costs_its_listener_only(told: Told, tmp_path: Path) -> None:
    discovery = told.discovery
    async with replica("someone else") as taken, replica("one") as one, envoy(tmp_path):
        discovery.configure(settings(external=told.settings.external, internal=(Listen("127.0.0.1", taken),)))
        discovery.put(site("app", one))
        discovery.start()
        await discovery.acknowledged("app")
        assert (await answers(told.settings.external, "app.localhost")).status == 200
        assert {apps for apps, _ in told.rejected} == {frozenset()}


@pytest.mark.usefixtures("control")
async def test_a_thousand_apps(told: Told, tmp_path: Path) -> None:
    discovery, at = told.discovery, told.settings.external
    async with envoy(tmp_path), replica("one") as one, replica("two") as two:
        for number in range(1000):
            discovery.put(site(f"app-{number}", one))
        discovery.start()
        await discovery.acknowledged("app-999")
        assert (await answers(at, "app-999.localhost")).status == 200
        discovery.put(site("app-500", two))
        await discovery.acknowledged("app-500")
        assert (await get(at, "app-500.localhost")).body.startswith(b"two")
        assert (await get(at, "app-0.localhost")).body.startswith(b"one")
        assert told.rejected == []
