"""Running copies of a workload, as an actuator observed them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class ReplicaState(StrEnum):
    """Where a replica stands in its life."""

    STARTING = "starting"  # exists; its startup probe has not passed yet
    READY = "ready"  # runs, and its readiness probe (if any) passes
    NOT_READY = "not_ready"  # runs, but its readiness probe fails
    CRASHED = "crashed"  # ended on its own; waits for its restart's back-off
    DRAINING = "draining"  # gets no more requests; told to stop once it has none, unless it is called back
    STOPPING = "stopping"  # told to stop, within its grace period


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a replica takes requests, as the ingress reaches it: an IP address and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Replica:
    """One copy.

    Attributes:
        id: The actuator's own identifier (container id, pid).
        name: What an operator reads, unique on the host.
        workload: Name of the workload it belongs to.
        revision: Which template it was made from; see `App.revision`.
        state: Where it stands.
        started_at: Seconds since the epoch of its latest start; None when it has not run.
        restarts: How often it was restarted in place.
        detail: Why it stands there, in words (exit code, last probe failure); empty when all is well.
        endpoint: Where it takes requests; None while that is not known, and for an app without ingress.
    """

    id: str
    name: str
    workload: str
    revision: str
    state: ReplicaState
    started_at: float | None = None
    restarts: int = 0
    detail: str = ""
    endpoint: Endpoint | None = None


def staying(replicas: Iterable[Replica]) -> list[Replica]:
    """Return the replicas that are not on their way out, in the same order."""
    leaving = (ReplicaState.DRAINING, ReplicaState.STOPPING)
    return [replica for replica in replicas if replica.state not in leaving]


def ready_count(replicas: Iterable[Replica]) -> int:
    """Return how many serve."""
    return sum(replica.state is ReplicaState.READY for replica in replicas)


@dataclass(frozen=True, slots=True)
class ReplicaCounts:
    """The three counts that the HPA tells apart.

    Attributes:
        spec: How many were last asked for (`spec.replicas`); the count that a decision changes.
        status: How many exist (`status.replicas`), starting ones included.
        ready: How many serve.
    """

    spec: int
    status: int
    ready: int

    @classmethod
    def settled(cls, count: int) -> ReplicaCounts:
        """Return the counts of a workload whose replicas all exist and serve."""
        return cls(spec=count, status=count, ready=count)
