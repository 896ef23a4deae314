"""The suite of what actuators promise of apps with ingress: endpoints, readiness by port, drains."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from scaler.actuators.port_check import connect
from scaler.model import App, Endpoint, Replica, ReplicaState, Workload
from scaler.ports.actuator import Actuator
from scaler.testing.load_balancer import FakeLoadBalancer
from scaler.testing.observing import eventually, workload
from scaler.testing.scaling_contract import ScalingContract

READY, DRAINING = ReplicaState.READY, ReplicaState.DRAINING


class ServingContract(ScalingContract):
    """What `Actuator` promises of apps with ingress, besides what it promises of any target."""

    @abstractmethod
    def listener(self) -> App:
        """Return an app with ingress that accepts connections where it is told to, until SIGTERM."""

    @abstractmethod
    async def kill(self, replica: Replica) -> None:
        """End a replica's process from outside."""

    async def accepts(self, endpoint: Endpoint) -> bool:
        """Return whether a connection to an endpoint succeeds."""
        return not await connect(endpoint, 5.0)

    async def test_replicas_are_served_at_endpoints_of_their_own(self) -> None:
        """The balancer is told of each as ready when its port accepts connections, and of none when all are gone."""
        async with self._served() as (actuator, balancer, web):
            replicas = await self._ready(actuator, balancer, web, 3)
            endpoints = [replica.endpoint for replica in replicas if replica.endpoint]
            assert len(set(endpoints)) == 3
            assert all([await self.accepts(endpoint) for endpoint in endpoints])
            assert balancer.served["web"] == replicas
            first = next(states for _, states in balancer.history if states)
            assert READY not in first.values()
            await actuator.apply(web, 0)
            await eventually(lambda: self._told(balancer), lambda told: told == {})

    async def test_adopted_replicas_are_served_as_soon_as_it_is_entered(self) -> None:
        """At the same endpoints, and never as anything else than ready."""
        async with self._served() as (actuator, balancer, web):
            before = await self._ready(actuator, balancer, web, 2)
        later = FakeLoadBalancer()
        async with self.opened(balancer=later) as actuator:
            assert later.served["web"] == before
            assert all(set(states.values()) == {READY} for _, states in later.history)
            await actuator.remove("web")
            assert later.served["web"] == ()

    async def test_a_replica_that_ends_is_told_of_and_served_again_after_its_restart(self) -> None:
        """It leaves at once, and comes back with an endpoint that accepts connections."""
        async with self._served() as (actuator, balancer, web):
            first, second = await self._ready(actuator, balancer, web, 2)
            told = len(balancer.history)
            await self.kill(first)
            await eventually(lambda: self._told(balancer), lambda _: len(balancer.history) > told)
            assert balancer.history[told][1] == {first.name: ReplicaState.CRASHED, second.name: READY}
            after = await self._ready(actuator, balancer, web, 2)
            assert [(each.id, each.restarts) for each in after] == [(first.id, 1), (second.id, 0)]
            assert after[0].endpoint
            assert await self.accepts(after[0].endpoint)

    async def test_a_replica_with_requests_drains_before_it_is_told_to_stop(self) -> None:
        """It runs and accepts until it has none."""
        async with self._served() as (actuator, balancer, web):
            (replica,) = await self._ready(actuator, balancer, web, 1)
            balancer.give(replica.id, 1)
            assert (await actuator.apply(web, 0)).stopped == (replica.name,)
            assert await self._told(balancer) == {replica.name: DRAINING}
            assert (await actuator.apply(web, 0)).stopped == ()
            assert await actuator.observe(web) == (replace(replica, state=DRAINING),)
            assert replica.endpoint
            assert await self.accepts(replica.endpoint)
            balancer.give(replica.id, 0)
            await eventually(lambda: self._told(balancer), lambda told: told == {})
            assert await self.running("contract") == []

    async def test_a_drain_is_given_up_after_the_grace_period(self) -> None:
        """Requests that do not end keep no replica for ever."""
        async with self._served(grace_s=0.5) as (actuator, balancer, web):
            (replica,) = await self._ready(actuator, balancer, web, 1)
            balancer.give(replica.id, 1)
            began = asyncio.get_running_loop().time()
            await actuator.apply(web, 0)
            await eventually(lambda: self.running("contract"), lambda running: running == [])
            assert asyncio.get_running_loop().time() - began >= 0.5

    async def test_draining_replicas_are_called_back_before_others_are_started(self) -> None:
        """A higher count takes them first; the same replicas serve on."""
        async with self._served() as (actuator, balancer, web):
            before = await self._ready(actuator, balancer, web, 2)
            for replica in before:
                balancer.give(replica.id, 1)
            await actuator.apply(web, 0)
            assert (await actuator.apply(web, 2)).started == ()
            assert balancer.served["web"] == before
            assert len((await actuator.apply(web, 3)).started) == 1
            after = await self._ready(actuator, balancer, web, 3)
            assert after[:2] == before

    async def test_the_balancer_calls_back(self) -> None:
        """A request that came meanwhile keeps the replica until it is decided anew."""
        async with self._served() as (actuator, balancer, web):
            (replica,) = await self._ready(actuator, balancer, web, 1)
            balancer.give(replica.id, 1)
            await actuator.apply(web, 0)
            await eventually(lambda: self._told(balancer), lambda _: replica.id in balancer.draining)
            balancer.call_back(replica.id)
            assert await self._ready(actuator, balancer, web, 1) == (replica,)
            balancer.give(replica.id, 0)
            assert (await actuator.apply(web, 0)).stopped == (replica.name,)

    async def test_the_least_busy_go_first(self) -> None:
        """The one with the fewest requests, whatever its age."""
        async with self._served() as (actuator, balancer, web):
            oldest, middle, youngest = await self._ready(actuator, balancer, web, 3)
            balancer.requests |= {oldest.id: 2, middle.id: 1, youngest.id: 3}
            assert (await actuator.apply(web, 2)).stopped == (middle.name,)
            assert (await actuator.apply(web, 1)).stopped == (oldest.name,)

    async def test_a_draining_replica_that_ends_is_gone(self) -> None:
        """It is not restarted."""
        async with self._served() as (actuator, balancer, web):
            (replica,) = await self._ready(actuator, balancer, web, 1)
            balancer.give(replica.id, 1)
            await actuator.apply(web, 0)
            await self.kill(replica)
            await eventually(lambda: self._told(balancer), lambda told: told == {})
            assert await self.running("contract") == []

    @asynccontextmanager
    async def _served(self, *, grace_s: float = 60.0) -> AsyncIterator[tuple[Actuator, FakeLoadBalancer, Workload]]:
        """Open an actuator with a balancer, for an app with ingress."""
        balancer = FakeLoadBalancer()
        web = workload(replace(self.listener(), termination_grace_period_s=grace_s), "web")
        async with self.opened(balancer=balancer) as actuator:
            yield actuator, balancer, web

    async def _ready(
        self, actuator: Actuator, balancer: FakeLoadBalancer, web: Workload, count: int
    ) -> tuple[Replica, ...]:
        """Apply a count, and return the replicas when the balancer knows as many as ready, and no others."""
        await actuator.apply(web, count)
        await eventually(lambda: self._told(balancer), lambda told: list(told.values()) == [READY] * count)
        return balancer.served["web"]

    async def _told(self, balancer: FakeLoadBalancer) -> dict[str, ReplicaState]:
        return {replica.name: replica.state for replica in balancer.served.get("web", ())}
