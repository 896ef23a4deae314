"""What replicas use of this machine's resources."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from scaler.model.replica import ReplicaState


class Resource(StrEnum):
    """What replicas use, and containers may declare a limit of."""

    CPU = "cpu"  # cores
    MEMORY = "memory"  # bytes


@dataclass(frozen=True, slots=True)
class ReplicaSample:
    """What one replica used of a resource, with all that tells how far this can be relied on.

    Times are ages in seconds at the moment of the reading, so that a recorded reading means the same at any time.

    Attributes:
        replica: Its name.
        state: Where it stands. One that is stopping counts for nothing.
        usage: Cores or bytes; None when it could not be measured (yet).
        limit: The declared limit, in the same unit; None when there is none.
        running_s: How long ago it was started; None when it has not run yet.
        settled_s: For how long it has been ready, or not ready, without a break.
        window_s: Length of time that `usage` is the average of; 0 for what is measured at an instant.
        measured_s: How long ago that time ended.
    """

    replica: str
    state: ReplicaState
    usage: float | None
    limit: float | None = None
    running_s: float | None = None
    settled_s: float = 0.0
    window_s: float = 0.0
    measured_s: float = 0.0
