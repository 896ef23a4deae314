"""What a workload's replicas use, from the actuator's counts: rates, ages and limits."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from scaler.model import App, Container, ForeignTarget, Replica, ReplicaSample, ReplicaState, Resource, Workload
from scaler.ports.actuator import Actuator, Usage
from scaler.ports.clock import Clock
from scaler.ports.errors import ActuatorError, SourceUnavailable

# A rate is taken over this long, as the Kubernetes metrics server does; over less only for a replica that is younger.
WINDOW_S = 15.0
# Over less than this a rate says more about the moment than about the load. Just below the default polling interval, so
# that the second read gives one.
SHORTEST_WINDOW_S = 4.0
# The engine is asked once in this time, however often triggers are read: a count costs it milliseconds a replica.
REFRESH_S = 1.0


@dataclass(slots=True)
class _History:
    """What is known of one run of one replica.

    Attributes:
        run: When the engine says that it was started.
        began_at: The same on our clock.
        ready: Whether it was ready when last seen.
        since: Since when.
        counts: Those of the last window, the latest last.
    """

    run: float | None
    began_at: float
    ready: bool
    since: float
    counts: deque[Usage] = field(default_factory=deque)

    def add(self, usage: Usage | None) -> None:
        """Add a count; one that is less than before is of a new run, or of a clock that was set back."""
        if usage is None:
            self.counts.clear()
            return
        if self.counts and not (usage.at_s >= self.counts[-1].at_s and usage.cpu_s >= self.counts[-1].cpu_s):
            self.counts.clear()
        if not self.counts or usage.at_s > self.counts[-1].at_s:
            self.counts.append(usage)
        while len(self.counts) > 1 and usage.at_s - self.counts[1].at_s >= WINDOW_S:
            self.counts.popleft()

    def limit(self, resource: Resource) -> float | None:
        """Return the limit that the engine told of with the latest count."""
        if not self.counts:
            return None
        return self.counts[-1].cpu_limit if resource is Resource.CPU else self.counts[-1].memory_limit

    def rate(self) -> tuple[float | None, float]:
        """Return the cores used over the window and its length; None while it is too short."""
        if not self.counts:
            return None, 0.0
        first, last = self.counts[0], self.counts[-1]
        span_s = last.at_s - first.at_s
        return (None, 0.0) if span_s < SHORTEST_WINDOW_S else ((last.cpu_s - first.cpu_s) / span_s, span_s)


class ReplicaStatistics:
    """The statistics of one workload, for all its triggers.

    The history of a replica goes with it, and its length is bounded by the window. Limits of an app are those of its
    present revision, for replicas of an older one, too; those of what runs already are what the engine says.
    """

    def __init__(self, workload: Workload, actuator: Actuator, clock: Clock) -> None:
        self._workload = workload
        self._actuator = actuator
        self._clock = clock
        self._replicas: tuple[Replica, ...] = ()
        self._histories: dict[str, _History] = {}
        self._counted_at = float("-inf")
        self._counting = asyncio.Lock()

    async def samples(self, resource: Resource, container: str | None = None) -> tuple[ReplicaSample, ...]:
        """See `Statistics.samples`."""
        async with self._counting:
            if self._clock.now() >= self._counted_at + REFRESH_S:
                await self._count()
        declared = declared_limit(self._workload, resource, container)
        return tuple(self._sample(replica, resource, declared) for replica in self._replicas)

    async def _count(self) -> None:
        try:
            replicas = await self._actuator.observe(self._workload)
            counts = await self._actuator.usage(self._workload)
        except ActuatorError as error:
            raise SourceUnavailable(f"the replicas' use cannot be read: {error}") from error
        # Not before: a window must not seem to reach further back than it does, as over a replica's start.
        self._replicas, self._counted_at = replicas, self._clock.now()
        self._histories = {replica.id: self._history(replica, self._counted_at) for replica in replicas}
        latest = {usage.id: usage for usage in counts}
        for id_, history in self._histories.items():
            history.add(latest.get(id_))

    def _history(self, replica: Replica, now: float) -> _History:
        ready = replica.state is ReplicaState.READY
        history = self._histories.get(replica.id)
        if history is None or history.run != replica.started_at:
            # Nothing was seen of its change, so that it is taken to stand there since its start. That is not later than
            # now, whatever the clock of a distant engine says.
            began_at = now if replica.started_at is None else min(replica.started_at, now)
            return _History(replica.started_at, began_at, ready, began_at)
        if history.ready != ready:
            history.ready, history.since = ready, now
        return history

    def _sample(self, replica: Replica, resource: Resource, declared: float | None) -> ReplicaSample:
        history = self._histories[replica.id]
        now = self._clock.now()
        usage: float | None
        if replica.state in {ReplicaState.CRASHED, ReplicaState.STOPPING}:
            usage, window_s = None, 0.0
        elif resource is Resource.CPU:
            usage, window_s = history.rate()
        else:
            usage, window_s = (float(history.counts[-1].memory_bytes) if history.counts else None), 0.0
        return ReplicaSample(
            replica=replica.name,
            state=replica.state,
            usage=usage,
            limit=self._told_limit(history, resource) if isinstance(self._workload.target, ForeignTarget) else declared,
            running_s=None if replica.started_at is None else now - history.began_at,
            settled_s=now - history.since,
            window_s=window_s,
            measured_s=now - self._counted_at,
        )

    def _told_limit(self, history: _History, resource: Resource) -> float | None:
        """Return the limit that the engine told of; where nothing was counted (yet), the highest of the others."""
        if history.counts:
            return history.limit(resource)
        others = (each.limit(resource) for each in self._histories.values())
        return max((limit for limit in others if limit is not None), default=None)


def declared_limit(workload: Workload, resource: Resource, container: str | None) -> float | None:
    """Return the cores or bytes that one replica may use; None where a container that counts declares no limit."""
    if not isinstance(workload.target, App):
        return None
    counted = [each for each in workload.target.containers if container in {None, each.name}]
    limits = [limit for each in counted if (limit := _limit(each, resource)) is not None]
    return sum(limits) if limits and len(limits) == len(counted) else None


def _limit(container: Container, resource: Resource) -> float | None:
    resources = container.resources
    return resources.cpu_cores if resource is Resource.CPU else resources.memory_bytes
