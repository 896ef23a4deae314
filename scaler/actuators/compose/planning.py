"""Which containers of a service to start, to make, to stop and to remove, as a pure function of what exists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scaler.actuators.compose.containers import ServiceContainer
from scaler.model import ReplicaState


@dataclass(frozen=True, slots=True)
class Standing:
    """A container and the replica that it is; None for one that is stopped, and so is none."""

    container: ServiceContainer
    state: ReplicaState | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do.

    Attributes:
        start: Stopped containers to start again.
        create: How many more to make.
        stop: Replicas to stop and then to remove.
        park: The replica to stop and keep, since the service's definition would go with it.
        remove: Stopped containers that are of no use.
    """

    start: tuple[ServiceContainer, ...] = ()
    create: int = 0
    stop: tuple[ServiceContainer, ...] = ()
    park: ServiceContainer | None = None
    remove: tuple[ServiceContainer, ...] = ()


def plan(standings: Sequence[Standing], definition: ServiceContainer, count: int) -> Plan:
    """Return the steps to `count` replicas of a service whose newest definition is that of `definition`.

    Replicas that are told to stop no longer count, and crashed ones do: restarting them is the service's own policy.
    Stopped containers of the newest definition are started before others are made, the lowest number first. Surplus
    replicas go not-ready ones first, then those of older definitions, then the highest numbers. One container of the
    newest definition always stays, stopped where no replica is wanted.
    """

    def is_new(container: ServiceContainer) -> bool:
        return container.config_hash == definition.config_hash

    present = sorted(
        (each for each in standings if each.state not in {None, ReplicaState.STOPPING}),
        key=lambda each: (each.state is ReplicaState.READY, is_new(each.container), -each.container.number),
    )
    stopped = sorted(
        (each.container for each in standings if each.state is None),
        key=lambda each: (not is_new(each), each.number),
    )
    surplus = [each.container for each in present[: max(0, len(present) - count)]]
    staying = [each.container for each in present[len(surplus) :]]
    missing = max(0, count - len(present))
    start = [each for each in stopped if is_new(each)][:missing]
    create = missing - len(start)
    leftover = [each for each in stopped if each not in start]
    kept = None
    if not create and not any(map(is_new, [*staying, *start])):
        candidates = [each for each in (*leftover, *surplus) if is_new(each)]
        kept = min(candidates, key=lambda each: each.number, default=None)
    return Plan(
        start=tuple(start),
        create=create,
        stop=tuple(each for each in surplus if each is not kept),
        park=kept if kept in surplus else None,
        remove=tuple(each for each in leftover if each is not kept),
    )
