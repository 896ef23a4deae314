"""What the engine tells the outside about its work: domain facts, not metrics."""

from __future__ import annotations

from enum import StrEnum

from scaler.model import Decision, Reading, Replica, Workload


class HoldOutcome(StrEnum):
    """How a request's wait ended."""

    RELEASED = "released"  # it went to a replica
    REFUSED = "refused"  # too many were held already
    TIMED_OUT = "timed_out"  # no replica was ready in time
    FAILED = "failed"  # no replica can start
    GONE = "gone"  # its client hung up
    NOT_WAKING = "not_waking"  # an exclusion matched
    PAGE = "page"  # a browser got the waiting page


class Recorder:
    """Receives facts and ignores them: override what is of interest. Must neither block nor raise."""

    def workload_added(self, workload: Workload) -> None:
        """A workload is being scaled from now on."""

    def workload_removed(self, workload: Workload) -> None:
        """A workload is no longer scaled; its series go."""

    def woke(self, workload: Workload, *, lateness_s: float, pushed: bool) -> None:
        """A tick began this long after it was due, by a push or by its interval."""

    def read(self, workload: Workload, trigger: str, reading: Reading, *, duration_s: float) -> None:
        """A trigger was read, successfully or not."""

    def plugin_bug(self, workload: Workload, trigger: str) -> None:
        """A plugin raised something that its contract does not allow."""

    def decided(self, workload: Workload, decision: Decision, *, duration_s: float) -> None:
        """A decision was taken."""

    def observed(self, workload: Workload, replicas: tuple[Replica, ...]) -> None:
        """Replicas were observed."""

    def actuated(
        self,
        workload: Workload,
        *,
        started: int,
        stopped: int,
        failed: int,
        duration_s: float,
        reaction_s: float | None,
    ) -> None:
        """The actuator did something; `reaction_s` from the reading behind it to its start command."""

    def actuation_failed(self, workload: Workload, *, error: str) -> None:
        """The actuator could not do it; `error` holds no secret."""

    def actuation_recovered(self, workload: Workload) -> None:
        """The actuator could do it again."""

    def unstartable(self, workload: Workload, *, reason: str) -> None:
        """No replica can be started now, as for want of its image; `reason` is for the app's clients."""

    def connections_open(self, kind: str, count: int) -> None:
        """How many shared clients of that kind are open."""

    def configuration_reloaded(self, *, accepted: bool, part: str = "manifests") -> None:
        """The manifests, or the labels of the service that `part` names, were read again, and taken or rejected."""

    def configuration_dropped(self, *, part: str) -> None:
        """The service that `part` names is gone, and its labels with it."""

    def traffic(self, workload: Workload, *, held: int, in_flight: int) -> None:
        """So many requests are held, and so many are with replicas."""

    def hold_ended(self, workload: Workload, *, held_s: float, outcome: HoldOutcome) -> None:
        """A request that came while no replica was ready was answered or released."""

    def proxy_up(self, *, up: bool) -> None:
        """Whether a proxy is connected that serves what it is told."""

    def proxy_lost(self, *, requests: int) -> None:
        """A proxy died with so many requests held and in flight."""

    def proxy_rejected(self, workloads: tuple[Workload, ...], *, error: str) -> None:
        """A proxy refused what it was told of these workloads; it goes on with what it had."""
