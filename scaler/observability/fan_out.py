"""One recorder that passes every fact on to several."""

from __future__ import annotations

from scaler.model import Decision, Reading, Replica, Workload
from scaler.ports.recorder import HoldOutcome, Recorder


class FanOut(Recorder):
    """Passes facts on in order."""

    def __init__(self, *recorders: Recorder) -> None:
        self._recorders = recorders

    def workload_added(self, workload: Workload) -> None:
        """Pass it on."""
        for recorder in self._recorders:
            recorder.workload_added(workload)

    def workload_removed(self, workload: Workload) -> None:
        """Pass it on."""
        for recorder in self._recorders:
            recorder.workload_removed(workload)

    def woke(self, workload: Workload, *, lateness_s: float, pushed: bool) -> None:
        """Pass it on."""
        for recorder in self._recorders:
            recorder.woke(workload, lateness_s=lateness_s, pushed=pushed)

    def read(self, workload: Workload, trigger: str, reading: Reading, *, duration_s: float) -> None:
        """Pass it on."""
        for recorder in self._recorders:
            recorder.read(workload, trigger, reading, duration_s=duration_s)

    def plugin_bug(self, workload: Workload, trigger: str) -> None:
        """Pass it on."""
        for recorder in self._recorders:
            recorder.plugin_bug(workload, trigger)

    def decided(self, workload: Workload, decision: Decision, *, duration_s: float) -> None:
        """Pass it on."""
        for recorder in self._recorders:
            recorder.decided(workload, decision, duration_s=duration_s)

    def observed(self, workload: Workload, replicas: tuple[Replica, ...]) -> None:
        """Pass it on."""
        for recorder in self._recorders:
            recorder.observed(workload, replicas)

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
        """Pass it on."""
        for recorder in self._recorders:
            recorder.actuated(
                workload,
                started=started,
                stopped=stopped,
                failed=failed,
                duration_s=duration_s,
                reaction_s=reaction_s,
            )

    def actuation_failed(self, workload: Workload, *, error: str) -> None:
        """Pass it on."""
        for recorder in self._recorders:
            recorder.actuation_failed(workload, error=error)

    def actuation_recovered(self, workload: Workload) -> None:
        """Pass it on."""
        for recorder in self._recorders:
            recorder.actuation_recovered(workload)

    def unstartable(self, workload: Workload, *, reason: str) -> None:
        """Pass it on."""
        for recorder in self._recorders:
            recorder.unstartable(workload, reason=reason)

    def connections_open(self, kind: str, count: int) -> None:
        """Pass it on."""
        for recorder in self._recorders:
            recorder.connections_open(kind, count)

    def configuration_reloaded(self, *, accepted: bool, part: str = "manifests") -> None:
        """Pass it on."""
        for recorder in self._recorders:
            recorder.configuration_reloaded(accepted=accepted, part=part)

    def configuration_dropped(self, *, part: str) -> None:
        """Pass it on."""
        for recorder in self._recorders:
            recorder.configuration_dropped(part=part)

    def traffic(self, workload: Workload, *, held: int, in_flight: int) -> None:
        """Pass it on."""
        for recorder in self._recorders:
            recorder.traffic(workload, held=held, in_flight=in_flight)

    def hold_ended(self, workload: Workload, *, held_s: float, outcome: HoldOutcome) -> None:
        """Pass it on."""
        for recorder in self._recorders:
            recorder.hold_ended(workload, held_s=held_s, outcome=outcome)

    def proxy_up(self, *, up: bool) -> None:
        """Pass it on."""
        for recorder in self._recorders:
            recorder.proxy_up(up=up)

    def proxy_lost(self, *, requests: int) -> None:
        """Pass it on."""
        for recorder in self._recorders:
            recorder.proxy_lost(requests=requests)

    def proxy_rejected(self, workloads: tuple[Workload, ...], *, error: str) -> None:
        """Pass it on."""
        for recorder in self._recorders:
            recorder.proxy_rejected(workloads, error=error)
