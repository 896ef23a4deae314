"""The contract of what stands between clients and replicas: an actuator tells it of replicas and has them drained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from scaler.model import Replica


class LoadBalancer(Protocol):
    """Gives requests to replicas. A workload that it does not know has no requests: nothing here fails for one."""

    def serve(self, workload: str, replicas: Sequence[Replica]) -> None:
        """Take note of all replicas of a workload, whenever one changed.

        Those that are ready and have an endpoint get requests; those that are draining keep what they have.
        """

    def in_flight(self, workload: str) -> Mapping[str, int]:
        """Return how many requests replicas have, by replica id; one that is not there has none."""
        ...

    async def drain(self, workload: str, replica: Replica) -> bool:
        """Wait until a replica that was served as draining may be told to stop.

        Returns:
            True once no proxy gives it requests (each has acknowledged that) and it has none in flight. False when a
            request came meanwhile that no other replica can take: the caller is to serve it as ready again.
        """
        ...


class NoLoadBalancer:
    """Nothing stands between: replicas stop when they are told to."""

    def serve(self, workload: str, replicas: Sequence[Replica]) -> None:
        """Do nothing."""

    def in_flight(self, workload: str) -> Mapping[str, int]:  # noqa: ARG002
        """Return that nothing is known."""
        return {}

    async def drain(self, workload: str, replica: Replica) -> bool:  # noqa: ARG002
        """Return at once."""
        return True
