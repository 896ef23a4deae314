"""One recorder that passes every fact on to several."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from scaler.model import Decision, Reading, Replica, Workload
from scaler.ports.recorder import HoldOutcome, Recorder


class FanOut(Recorder):
    """Passes facts on in order.

    What comes with each tick goes only to those that do not ignore it: thousands of workloads tick in a second.
    """

    def __init__(self, *recorders: Recorder) -> None:
        self._recorders = recorders
        self._woke = _takers(recorders, Recorder.woke)
        self._read = _takers(recorders, Recorder.read)
        self._decided = _takers(recorders, Recorder.decided)
        self._observed = _takers(recorders, Recorder.observed)

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
        for take in self._woke:
            take(workload, lateness_s=lateness_s, pushed=pushed)

    def read(self, workload: Workload, trigger: str, reading: Reading, *, duration_s: float) -> None:
        """Pass it on."""
        for take in self._read:
            take(workload, trigger, reading, duration_s=duration_s)

    def plugin_bug(self, workload: Workload, trigger: str) -> None:
        """Pass it on."""
        for recorder in self._recorders:
            recorder.plugin_bug(workload, trigger)

    def decided(self, workload: Workload, decision: Decision, *, duration_s: float) -> None:
        """Pass it on."""
        for take in self._decided:
            take(workload, decision, duration_s=duration_s)

    def observed(self, workload: Workload, replicas: tuple[Replica, ...]) -> None:
        """Pass it on."""
        for take in self._observed:
            take(workload, replicas)

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


def _takers(recorders: Iterable[Recorder], fact: Callable[..., None]) -> tuple[Callable[..., None], ...]:
    """Return the methods that take a fact, of those that have one of their own."""
    methods = [getattr(recorder, fact.__name__) for recorder in recorders]
    return tuple(method for method in methods if getattr(method, "__func__", None) is not fact)
