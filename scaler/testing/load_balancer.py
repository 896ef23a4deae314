"""A load balancer in memory: it keeps what it was told, and its requests are what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from scaler.model import Replica, ReplicaState


class FakeLoadBalancer:
    """What stands between clients and replicas, for tests of actuators.

    A drain ends when its replica has no requests: at once, where a test gave it none.

    Attributes:
        served: By workload, what it was told last.
        history: All that it was told, in order: the workload, and the state of each replica by name.
        requests: How many requests replicas have, by id; change it with `give`.
        draining: Ids of replicas whose drain is waited for.
    """

    def __init__(self) -> None:
        self.served: dict[str, tuple[Replica, ...]] = {}
        self.history: list[tuple[str, dict[str, ReplicaState]]] = []
        self.requests: dict[str, int] = {}
        self.draining: set[str] = set()
        self._called_back: set[str] = set()
        self._changed = asyncio.Event()

    def give(self, replica_id: str, requests: int) -> None:
        """Let a replica have so many requests from now on."""
        self.requests[replica_id] = requests
        self._notify()

    def call_back(self, replica_id: str) -> None:
        """End a replica's drain with the verdict that it is to serve again."""
        self._called_back.add(replica_id)
        self._notify()

    def ready(self, workload: str) -> list[Replica]:
        """Return the replicas that requests would be given to."""
        return [each for each in self.served.get(workload, ()) if each.state is ReplicaState.READY and each.endpoint]

    def serve(self, workload: str, replicas: Sequence[Replica]) -> None:
        """See `LoadBalancer.serve`."""
        self.served[workload] = tuple(replicas)
        self.history.append((workload, {replica.name: replica.state for replica in replicas}))
        self._notify()

    def in_flight(self, workload: str) -> Mapping[str, int]:
        """See `LoadBalancer.in_flight`."""
        return {
            each.id: count for each in self.served.get(workload, ()) if (count := self.requests.get(each.id, 0)) > 0
        }

    async def drain(self, workload: str, replica: Replica) -> bool:
        """See `LoadBalancer.drain`."""
        del workload
        self.draining.add(replica.id)
        try:
            while replica.id not in self._called_back:
                if not self.requests.get(replica.id):
                    return True
                await self._changed.wait()
        finally:
            self.draining.discard(replica.id)
        self._called_back.discard(replica.id)
        return False

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
