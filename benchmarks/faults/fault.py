"""What a fault is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.faults.world import World


def always(_: World) -> bool:
    """It works in every world."""
    return True


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault, done and undone in one go; what must hold after it is `invariants`' to say.

    Attributes:
        name: Of the kind.
        strike: Does it, waits as long as it lasts, undoes it; returns details for the account.
        works: Whether it can be done in a world.
        requests_lost: The documentation allows requests to fail meanwhile.
        replicas_lost: Replicas end without having been asked to, meanwhile.
        weight: How often it is chosen.
        quick: It takes a few seconds and belongs to the short run.
        states_lost: The count may be below what a window holds: what holds it is gone, or cannot start.
    """

    name: str
    strike: Callable[[World], str]
    works: Callable[[World], bool] = always
    requests_lost: bool = False
    replicas_lost: bool = False
    weight: float = 1.0
    quick: bool = False
    states_lost: bool = False


@dataclass(slots=True)
class Registry:
    """All kinds, by name."""

    kinds: dict[str, Fault] = field(default_factory=dict)

    def add(self, fault: Fault) -> None:
        """Take one more."""
        assert fault.name not in self.kinds, fault.name  # noqa: S101 - a mistake of ours
        self.kinds[fault.name] = fault
