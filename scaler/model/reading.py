"""What one trigger reported at one moment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """A value with its activity, or the reason why there is none.

    Attributes:
        value: The metric in the source's own unit (messages, lag, requests); None when unknown.
        active: Whether the source itself says there is work. None leaves it to the trigger's activation
            threshold: active if and only if `value > activation`.
        error: Why the value is unknown, free of secrets. None when it is known.
        changes_at: When the value changes by the mere passing of time, as a schedule's does: seconds since the epoch.
            None when it may change at any moment.
        changes_zone: IANA name of the time zone in which people are to read `changes_at`.
    """

    value: float | None = None
    active: bool | None = None
    error: str | None = None
    changes_at: float | None = None
    changes_zone: str = "UTC"

    @classmethod
    def failed(cls, error: str) -> Reading:
        """Return the reading of a source that could not be read."""
        return cls(error=error)
