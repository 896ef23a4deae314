"""What one trigger reported at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from scaler.model.usage import ReplicaSample


@dataclass(frozen=True, slots=True)
class Reading:
    """A value with its activity, or the reason why there is none.

    Attributes:
        value: The metric in the source's own unit (messages, lag, requests); None when unknown. For a trigger on the
            replicas' own use it is the average: percent of the limit, or cores or bytes per replica.
        active: Whether the source itself says there is work. None leaves it to the trigger's activation
            threshold: active if and only if `value > activation`.
        error: Why the value is unknown, free of secrets. None when it is known.
        changes_at: When the value changes by the mere passing of time, as a schedule's does: seconds since the epoch.
            None when it may change at any moment.
        changes_zone: IANA name of the time zone in which people are to read `changes_at`.
        samples: What each replica used, instead of a value: the decision takes the average itself, since what counts
            for a replica that cannot be measured depends on the direction. Empty while there is no replica.
        mean: For a number of requests in flight: its time-weighted average since the trigger was last read. None
            where it is not known; the last value then counts for the time since.
    """

    value: float | None = None
    active: bool | None = None
    error: str | None = None
    changes_at: float | None = None
    changes_zone: str = "UTC"
    samples: tuple[ReplicaSample, ...] | None = None
    mean: float | None = None

    @classmethod
    def failed(cls, error: str) -> Reading:
        """Return the reading of a source that could not be read."""
        return cls(error=error)
