"""Which replicas to start and which to stop, as a pure function of what exists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scaler.model import Replica, ReplicaState, staying


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do: how many new replicas, and the replicas to stop in the order of least harm."""

    create: int
    stop: tuple[Replica, ...]


def plan(replicas: Sequence[Replica], revision: str, count: int) -> Plan:
    """Return the steps to `count` replicas of `revision`, given all replicas of the workload, oldest first.

    Those told to stop no longer count. Surplus replicas go not-ready ones first, then the youngest. As many of older
    revisions stay as ready ones of the present revision are missing, so that a new revision never serves with less.
    """
    standing = staying(reversed(replicas))
    by_harm = sorted(standing, key=_serves)
    present = [replica for replica in by_harm if replica.revision == revision]
    older = [replica for replica in by_harm if replica.revision != revision]
    surplus = present[: max(0, len(present) - count)]
    outdated = older[: max(0, len(older) - max(0, count - sum(map(_serves, present))))]
    return Plan(create=max(0, count - len(present)), stop=(*surplus, *outdated))


def _serves(replica: Replica) -> bool:
    return replica.state is ReplicaState.READY
