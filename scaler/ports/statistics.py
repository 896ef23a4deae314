"""What replicas use, for scalers that follow it: they see no actuator."""

from __future__ import annotations

from typing import Protocol

from scaler.model import ReplicaSample, Resource


class Statistics(Protocol):
    """The use of resources by the replicas of one workload."""

    async def samples(self, resource: Resource, container: str | None = None) -> tuple[ReplicaSample, ...]:
        """Return what each replica uses now, stopping ones included; none when there is no replica.

        Args:
            resource: Which resource.
            container: Name of the one container that counts; None for the whole replica.

        Raises:
            SourceUnavailable: The engine that runs the replicas does not answer.
        """
        ...
