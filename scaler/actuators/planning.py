"""Which replicas to start and which to stop, as a pure function of what exists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from scaler.model import Replica, ReplicaState, staying


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do.

    Attributes:
        create: How many new replicas.
        call_back: Replicas whose draining is to end because they are wanted after all.
        stop: Replicas to stop, in the order of least harm.
    """

    create: int
    stop: tuple[Replica, ...]
    call_back: tuple[Replica, ...] = ()


def plan(
    replicas: Sequence[Replica], revision: str, count: int, in_flight: Mapping[str, int] = MappingProxyType({})
) -> Plan:
    """Return the steps to `count` replicas of `revision`, given all replicas of the workload, oldest first.

    Those told to stop no longer count. Surplus replicas go not-ready ones first, then those with the fewest requests
    (`in_flight`, by id), then the youngest. As many of older revisions stay as ready ones of the present revision are
    missing, so that a new revision never serves with less. Where too few are left, draining ones are called back
    before any is created, the busiest first, then the oldest.
    """

    def harm(replica: Replica) -> tuple[bool, int]:
        return _serves(replica), in_flight.get(replica.id, 0)

    by_harm = sorted(staying(reversed(replicas)), key=harm)
    present = [replica for replica in by_harm if replica.revision == revision]
    older = [replica for replica in by_harm if replica.revision != revision]
    draining = [replica for replica in replicas if replica.state is ReplicaState.DRAINING]
    draining.sort(key=lambda replica: -in_flight.get(replica.id, 0))
    missing = max(0, count - len(present))
    called = [replica for replica in draining if replica.revision == revision][:missing]
    # Those called back ran all the time, and serve at once.
    outdated = max(0, count - sum(map(_serves, present)) - len(called))
    called_older = [replica for replica in draining if replica.revision != revision][: max(0, outdated - len(older))]
    return Plan(
        create=missing - len(called),
        stop=(*present[: max(0, len(present) - count)], *older[: max(0, len(older) - outdated)]),
        call_back=(*called, *called_older),
    )


def _serves(replica: Replica) -> bool:
    return replica.state is ReplicaState.READY
