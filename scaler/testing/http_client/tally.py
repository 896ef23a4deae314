"""What a client saw: requests and failures by kind, and the first failures in words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

_DESCRIBED = 10
_UNSEEN = 10_000


class Kind(StrEnum):
    """What a client does; each ends with all that came back compared to what was to come."""

    GET = "get"
    SLOW = "slow"
    POST = "post"
    POST_CHUNKED = "chunked post"
    DIGEST = "upload"
    STREAM = "event stream"
    WEBSOCKET = "websocket"
    HTTP2 = "http/2"
    RPC = "grpc"
    RPC_STREAM = "grpc stream"


class Unexpected(Exception):
    """An answer is not the one that was to come."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One request that failed.

    Attributes:
        began_s: When it was sent, by the monotonic clock.
        description: In words.
    """

    began_s: float
    description: str


@dataclass(slots=True)
class Tally:
    """Counts of what was asked and what went wrong.

    Attributes:
        requests: Ended ones, failed or not.
        failures: Those that ended with an error, another status than 2xx, or other content than was sent.
        described: The first failures.
        unseen: Failures that nobody has taken yet; whoever looks from time to time takes them.
        bytes: Of bodies and messages that were sent and came back as they were.
        reused: Requests on a connection that had carried one before.
        slowest_s: The longest that each kind took.
        held: Answers that say that they were held, as `x-held-milliseconds` does.
        longest_hold_ms: The longest that such an answer says.
        replicas: The names of all that answered.
    """

    requests: Counter[Kind] = field(default_factory=Counter)
    failures: Counter[Kind] = field(default_factory=Counter)
    described: list[str] = field(default_factory=list)
    unseen: list[Failure] = field(default_factory=list)
    bytes: int = 0
    reused: int = 0
    slowest_s: dict[Kind, float] = field(default_factory=dict)
    held: int = 0
    longest_hold_ms: float = 0.0
    replicas: set[str] = field(default_factory=set)

    def succeeded(self, kind: Kind, *, seconds: float, size: int) -> None:
        """Count one that ended as it should."""
        self.requests[kind] += 1
        self.bytes += size
        self.slowest_s[kind] = max(self.slowest_s.get(kind, 0.0), seconds)

    def failed(self, kind: Kind, description: str, *, began_s: float) -> None:
        """Count one that did not."""
        self.requests[kind] += 1
        self.failures[kind] += 1
        if len(self.described) < _DESCRIBED:
            self.described.append(f"{kind}: {description}")
        if len(self.unseen) < _UNSEEN:
            self.unseen.append(Failure(began_s, f"{kind}: {description}"))

    def was_held(self, milliseconds: float) -> None:
        """Count an answer to a request that was held."""
        self.held += 1
        self.longest_hold_ms = max(self.longest_hold_ms, milliseconds)

    def add(self, other: Tally) -> None:
        """Count what another client saw, too."""
        self.requests.update(other.requests)
        self.failures.update(other.failures)
        self.described = [*self.described, *other.described][:_DESCRIBED]
        self.bytes += other.bytes
        self.reused += other.reused
        for kind, seconds in other.slowest_s.items():
            self.slowest_s[kind] = max(self.slowest_s.get(kind, 0.0), seconds)
        self.held += other.held
        self.longest_hold_ms = max(self.longest_hold_ms, other.longest_hold_ms)
        self.replicas |= other.replicas

    @property
    def failure_count(self) -> int:
        """All failures."""
        return self.failures.total()

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.requests.items()))
        lines = [
            f"requests: {self.requests.total()} ({kinds}), {self.bytes / 2**20:.0f} MiB compared",
            f"held: {self.held}, longest {self.longest_hold_ms:.0f} ms; on a connection used before: {self.reused}",
            f"answered by {len(self.replicas)} replicas",
            f"failures: {self.failure_count}",
            *self.described,
        ]
        return "\n".join(lines)
