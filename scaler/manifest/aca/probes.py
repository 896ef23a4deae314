"""Probes of an Azure Container Apps manifest, with its limits and defaults."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scaler.manifest.aca.template import ContainerProbe, HttpProbe
from scaler.manifest.located import Path
from scaler.manifest.problems import Report
from scaler.model import HttpGet, Probe, ProbeKind, TcpSocket

# Azure's schema says so, although its own default probes use 240 and 48.
_USUAL_FAILURE_THRESHOLD = 10


def build_probes(report: Report, container: Path, probes: Sequence[ContainerProbe]) -> tuple[Probe, ...]:
    """Return a container's probes, at most one of each kind."""
    return tuple(_build(report, container, probes))


def _build(report: Report, container: Path, probes: Sequence[ContainerProbe]) -> Iterable[Probe]:
    kinds: set[ProbeKind] = set()
    for index, probe in enumerate(probes):
        path: Path = (*container, "probes", index)
        check = _check(report, path, probe)
        if probe.type is not None:
            if probe.type in kinds:
                report.error((*path, "type"), "at most one probe of each type")
            kinds.add(probe.type)
        if (probe.failure_threshold or 0) > _USUAL_FAILURE_THRESHOLD:
            report.warn(
                (*path, "failureThreshold"), "at most 10", hint="Azure's schema allows no more; used as written"
            )
        if probe.type is not ProbeKind.READINESS and (probe.success_threshold or 1) != 1:
            report.error((*path, "successThreshold"), "1", hint="only a Readiness probe may need several successes")
        if probe.type is None or check is None:
            continue
        grace = probe.termination_grace_period_seconds
        yield Probe(
            kind=probe.type,
            check=check,
            initial_delay_s=float(probe.initial_delay_seconds or 0),
            period_s=float(probe.period_seconds or 10),
            timeout_s=float(probe.timeout_seconds or 1),
            failure_threshold=probe.failure_threshold or 3,
            success_threshold=probe.success_threshold or 1,
            termination_grace_period_s=None if grace is None else float(grace),
        )


def _check(report: Report, path: Path, probe: ContainerProbe) -> HttpGet | TcpSocket | None:
    if (probe.http_get is None) == (probe.tcp_socket is None):
        found = "both" if probe.http_get else "neither"
        # One that is there but unusable has been reported already.
        usable = [name for name in ("httpGet", "tcpSocket", "exec", "grpc") if not report.is_broken((*path, name))]
        if len(usable) == len(("httpGet", "tcpSocket", "exec", "grpc")):
            report.error(path, "either httpGet or tcpSocket", found=found)
        return None
    if probe.tcp_socket is not None:
        return TcpSocket(probe.tcp_socket.port or 0, probe.tcp_socket.host)
    return _http(probe.http_get) if probe.http_get else None


def _http(probe: HttpProbe) -> HttpGet:
    return HttpGet(
        port=probe.port or 0,
        path=probe.path or "/",
        scheme=probe.scheme or "HTTP",
        host=probe.host,
        headers=tuple(
            (header.name, header.value.get_secret_value() if header.value else "")
            for header in probe.http_headers or []
            if header.name is not None
        ),
    )
