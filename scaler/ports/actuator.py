"""The contract of what makes real replicas match a decision."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import ClassVar, Self

from scaler.model import Replica, Workload


@dataclass(frozen=True, slots=True)
class Applied:
    """What one `apply` set in motion.

    Attributes:
        started: Names of replicas whose start command was accepted.
        stopped: Names of replicas that were told to stop.
        failed: Why replicas could not be started, one text per replica.
    """

    started: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """What the engine counted for one run of a replica; all that belongs to the replica is in it.

    Attributes:
        id: The replica's id.
        at_s: When, on a clock of the engine's own: only differences between counts of one replica mean something.
        cpu_s: Seconds of one core used since the run began. It begins anew with every run.
        memory_bytes: Memory in use that could not be had back at once, caches of files left out where the engine tells.
        cpu_limit: Cores that the engine lets it have; None when there is no limit, or the target's manifest says it.
        memory_limit: Bytes, in the same way.
    """

    id: str
    at_s: float
    cpu_s: float
    memory_bytes: int
    cpu_limit: float | None = None
    memory_limit: int | None = None


class Actuator(AbstractAsyncContextManager["Actuator"], ABC):
    """Owns the replicas of all workloads of one service on one kind of engine.

    It is an async context manager: entering adopts the replicas that an earlier run of the same owner left, and
    starts the upkeep (probes, restarts in place with back-off, forced ends of replicas past their grace period).
    Leaving stops the upkeep only; replicas go on running.

    A target that runs already and is only scaled (`ForeignTarget`) is owned by whoever made it: its replicas are known
    by that one's marks, `owned` does not list them, and `remove` leaves them as they are. Where it keeps something
    stopped at zero to start from again, that is no replica.

    What it does not own, by a mark that the engine itself keeps (labels, or pid and start time), it never touches.
    Methods of different workloads may run at the same time; those of one workload are called one after the other.
    Each may be cancelled at any point: nothing is then lost or started twice, and the next call carries on from
    what really exists.
    """

    kind: ClassVar[str]

    async def __aenter__(self) -> Self:
        """Adopt what is there and start the upkeep. Succeeds although the engine is down; observing then raises."""
        return self

    @abstractmethod
    async def observe(self, workload: Workload) -> tuple[Replica, ...]:
        """Return the workload's replicas as the real engine has them, stopping ones included, oldest first.

        Raises:
            EngineUnavailable: The engine does not answer.
        """

    @abstractmethod
    async def apply(self, workload: Workload, count: int) -> Applied:
        """Start or stop replicas until `count` of the workload's present revision are there or on their way.

        Returns as soon as every start command is accepted and every surplus replica was told to stop; it does not
        wait for readiness or for ends. Starts run side by side. Replicas not yet ready are stopped first, then those
        with the fewest requests, then the youngest. Those that may have requests drain first, which is not waited for
        either; they are called back before others are started. Replicas of an older revision are stopped when as many
        of the new one are ready, or at once when the count is 0. Repeating it changes nothing.

        Raises:
            EngineUnavailable: The engine does not answer.
            RegistryUnavailable: An image is missing and cannot be pulled now.
            TargetUnavailable: A foreign target is not there, or somebody else is stopping it or has stopped it.
            ReplicaRejected: No replica of this workload can be started as the manifest is written, or not so many.
        """

    @abstractmethod
    async def usage(self, workload: Workload) -> tuple[Usage, ...]:
        """Return what each running replica uses; one that does not run, is stopping or ends meanwhile has none.

        Raises:
            EngineUnavailable: The engine does not answer.
        """

    @abstractmethod
    def changes(self) -> AsyncIterator[str]:
        """Yield the name of a workload whose replicas changed (ended, vanished, became ready, failed a probe).

        Survives outages of the engine by itself; what was missed meanwhile is yielded on its return. One consumer.
        """

    @abstractmethod
    async def owned(self) -> Mapping[str, tuple[Replica, ...]]:
        """Return all replicas of this owner by workload name, those of workloads no longer in any manifest included.

        Raises:
            EngineUnavailable: The engine does not answer.
        """

    @abstractmethod
    async def remove(self, workload_name: str) -> None:
        """Stop and remove all replicas of a workload; returns when none is left, each having had its grace period.

        Those of a foreign target stay.

        Raises:
            EngineUnavailable: The engine does not answer.
        """
