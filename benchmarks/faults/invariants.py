"""What must hold after every fault; each check returns what is broken, in words."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from benchmarks.faults import estate
from benchmarks.faults.fault import Fault
from benchmarks.faults.outputs import Outputs
from benchmarks.faults.replicas import Found, NotSeen
from benchmarks.faults.resources import Resources
from benchmarks.faults.world import World
from scaler.observability.api_client import ServiceNotReached
from scaler.ports.errors import ConfigError

# Counts must be seen to be right so often in a row.
_ROWS = 3
_ANSWERS = 3
# So long may resources take to be given back.
_PATIENCE_S = 30.0
# Requests that are told of.
_TOLD = 10


@dataclass
class Invariants:
    """Looks at one world; remembers what was there before.

    Attributes:
        world: Which one.
        settle_s: How long everything may take to be as it should.
        look_s: Wait between two looks.
        slowest_s: The longest that counts took to be right.
        took_s: How long each look of the last check took.
        lost: Requests that failed at the last check and were allowed to.
    """

    world: World
    settle_s: float
    look_s: float = 0.25
    slowest_s: float = 0.0
    took_s: dict[str, float] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    _strangers: list[str] = field(init=False)
    _lost_until_s: float = 0.0
    _repeated: set[str] = field(default_factory=set)
    _outputs: Outputs = field(init=False)
    _resources: Resources = field(init=False)

    def __post_init__(self) -> None:
        self._strangers = list(self.world.yard.strangers())
        self._outputs = Outputs(self.world.service)
        self._resources = Resources(self.world.service, patience_s=min(self.settle_s, _PATIENCE_S))

    def begin(self) -> list[str]:
        """Settle for the first time."""
        return self._settled()

    def check(self, fault: Fault) -> list[str]:
        """Wait until everything is as it should be, and return all that is not."""
        looks: dict[str, Callable[[], list[str]]] = {
            "counts": self._settled,
            "others": self._others,
            "requests": lambda: self._requests(fault),
            "jobs": lambda: self._jobs(fault),
            "outputs": self._outputs.problems,
            "resources": self._resources.problems,
        }
        broken = []
        self.took_s = {}
        for name, look in looks.items():
            began = time.monotonic()
            broken += look()
            self.took_s[name] = time.monotonic() - began
        seen, self.world.watch.broken = self.world.watch.broken, []
        if not fault.states_lost:
            broken += [f"{text} ({times} times)" for text, times in Counter(seen).items()]
        return broken

    def _settled(self) -> list[str]:
        began, rows, problems = time.monotonic(), 0, ["nothing was seen"]
        while rows < _ROWS:
            problems = list(self._counts())
            rows = 0 if problems else rows + 1
            if time.monotonic() - began > self.settle_s and problems:
                return [f"after {self.settle_s:g} s: {problem}" for problem in problems]
            time.sleep(self.look_s)
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        self.world.watch.confirm({name: self._count(name) for name in self.world.levels})
        return []

    def _counts(self) -> Iterator[str]:
        try:
            views = {view.name: view for view in self.world.service.api.workloads()}
            found = self.world.yard.found()
        except (ServiceNotReached, NotSeen, ConfigError, RuntimeError) as error:
            yield f"{type(error).__name__}: {error}"
            return
        if views.keys() != self.world.manifests.keys():
            yield f"workloads are {sorted(views)}, and should be {sorted(self.world.manifests)}"
        yield from self._doubles(found)
        for name, view in views.items():
            real = [it for it in found if it.workload == name]
            least, most = self._wanted(name)
            if not least <= len(real) <= most:
                yield f"{name} has {len(real)} replicas and should have {least} to {most}" + (
                    f" ({view.actuation_error})" if view.actuation_error else ""
                )
            told = {replica.name for replica in view.replicas}
            if name not in {estate.WEB, estate.JOBS} and told != {it.name for it in real}:
                yield f"{name}: the service tells of {sorted(told)}, there are {sorted(it.name for it in real)}"
            ended = [it.name for it in real if not it.runs]
            if ended and name != estate.SICK:
                yield f"{name}: {ended} do not run"
            errors = [f"{it.name}: {it.error}" for it in view.triggers if it.error]
            if errors:
                yield f"{name}: unknown: {errors}"
        for it in found:
            if it.workload not in views:
                yield f"{it.name} has no owner: there is no workload {it.workload}"

    def _wanted(self, name: str) -> tuple[int, int]:
        if name in self.world.levels:
            return self.world.watch.wanted(name, self.world.levels[name])
        if name == estate.CRON:
            return estate.scheduled(self.world.wall_s())
        if name == estate.WEB:
            return 0, estate.MOST
        if name == estate.SICK:
            return 0, estate.MOST  # it is about to go
        return 0, estate.MOST

    def _count(self, name: str) -> int:
        return len(self.world.service.api.workload(name).replicas)

    @staticmethod
    def _doubles(found: list[Found]) -> Iterator[str]:
        for name, times in Counter(it.name for it in found).items():
            if times > 1:
                yield f"{name} is there {times} times"

    def _others(self) -> list[str]:
        try:
            now = list(self.world.yard.strangers())
        except NotSeen as error:
            return [f"others cannot be seen: {error}"]
        return [] if now == self._strangers else [f"others had {self._strangers} and now have {now}"]

    def _requests(self, fault: Fault) -> list[str]:
        tally = self.world.client.tally
        unseen, tally.unseen = tally.unseen, []
        broken = []
        if fault.requests_lost:
            # One that began before all was well again belongs to this fault, whenever it ends.
            self._lost_until_s = time.monotonic()
        failed = [it.description for it in unseen if it.began_s > self._lost_until_s]
        self.lost = [it.description for it in unseen if it.began_s <= self._lost_until_s]
        if failed:
            broken.append(f"{len(failed)} requests failed: {failed[:_TOLD]}")
        if not self.world.docker:
            again = set(self._repeated_requests()) - self._repeated
            self._repeated |= again
            broken += [f"requests {sorted(again)[:10]} reached an app twice"] if again else []
        return broken + self._answered()

    def _answered(self) -> list[str]:
        """See that it is asked and answers after all this."""
        before = self.world.client.tally.requests.total()
        deadline = time.monotonic() + self.settle_s
        while self.world.client.tally.requests.total() < before + _ANSWERS:
            if time.monotonic() > deadline:
                return ["requests are not answered any more"]
            time.sleep(self.look_s)
        return []

    def _repeated_requests(self) -> list[str]:
        try:
            return self.world.service.repeated()
        except FileNotFoundError:
            return []

    def _jobs(self, fault: Fault) -> list[str]:
        jobs = self.world.jobs
        if jobs is None:
            return []
        names: Callable[[], set[str]] = lambda: {it.name for it in self.world.yard.found()}  # noqa: E731
        with jobs.paused():
            return jobs.problems(names, taken=fault.replicas_lost, within_s=self.settle_s)
