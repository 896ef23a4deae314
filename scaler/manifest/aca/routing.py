"""The ingress part of an Azure Container Apps manifest becomes an `Ingress`."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from scaler.manifest.aca.domains import build_domains
from scaler.manifest.aca.ingress import (
    Action,
    Affinity,
    ClientCertificateMode,
    CorsSpec,
    HoldSpec,
    IngressSpec,
    RestrictionSpec,
    TargetScheme,
    TrafficSpec,
    TransportName,
)
from scaler.manifest.aca.waiting_page import read_waiting_page
from scaler.manifest.certificates import Certificates
from scaler.manifest.located import Path
from scaler.manifest.problems import NOT_YET, Report, describe
from scaler.manifest.values import OutsideValues
from scaler.model import AddressRestriction, CorsPolicy, Hold, Ingress, Transport, WakeExclusion
from scaler.model.ingress import DEFAULT_REQUEST_TIMEOUT_S

INGRESS: Path = ("properties", "configuration", "ingress")


def build_ingress(
    report: Report, spec: IngressSpec | None, *, revision: str, outside: OutsideValues, certificates: Certificates
) -> Ingress | None:
    """Return how requests reach an app; None when none do.

    Args:
        report: Of the app's document.
        spec: As the document has it.
        revision: The name that its only revision has, as far as the document says; empty when it does not.
        outside: Where the file of a waiting page is read.
        certificates: Those that the service has.
    """
    if spec is None:
        # One that is there but unusable has been reported; its rules are not to be told that there is none.
        return None if report.document.get(INGRESS) is None else Ingress(target_port=0)
    _refuse(report, spec)
    _check_traffic(report, spec.traffic or [], revision)
    return Ingress(
        target_port=spec.target_port or 0,
        external=bool(spec.external),
        transport=_transport(report, spec.transport),
        allow_insecure=bool(spec.allow_insecure),
        custom_domains=build_domains(report, (*INGRESS, "customDomains"), spec.custom_domains or [], certificates),
        restriction=_restriction(report, spec.ip_security_restrictions or []),
        cors=_cors(report, spec.cors_policy),
        request_timeout_s=DEFAULT_REQUEST_TIMEOUT_S if spec.request_timeout is None else spec.request_timeout,
        hold=_hold(report, spec.hold or HoldSpec(), outside),
    )


def _refuse(report: Report, spec: IngressSpec) -> None:
    if spec.sticky_sessions is not None and spec.sticky_sessions.affinity is Affinity.STICKY:
        report.error((*INGRESS, "stickySessions", "affinity"), "none", hint=f"sticky sessions are {NOT_YET}")
    if spec.client_certificate_mode not in {None, ClientCertificateMode.IGNORE}:
        report.error((*INGRESS, "clientCertificateMode"), "ignore", hint=f"clients' certificates are {NOT_YET}")
    if spec.target_port_http_scheme is TargetScheme.HTTPS:
        report.error((*INGRESS, "targetPortHttpScheme"), "http", hint=f"HTTPS between ingress and app is {NOT_YET}")


def _transport(report: Report, name: TransportName | None) -> Transport:
    if name is TransportName.TCP:
        report.error((*INGRESS, "transport"), "auto, http or http2", hint=f"TCP is {NOT_YET}")
        return Transport.AUTO
    return Transport((name or TransportName.AUTO).value)


def _check_traffic(report: Report, entries: Sequence[TrafficSpec], revision: str) -> None:
    """Report what does not mean that all requests go to the latest revision, which is the only one."""
    path: Path = (*INGRESS, "traffic")
    total = 0
    for index, entry in enumerate(entries):
        here: Path = (*path, index)
        weight = entry.weight or 0
        if report.is_broken(here) or report.is_broken((*here, "weight")):
            return
        total += weight
        latest = entry.latest_revision or (revision and entry.revision_name == revision)
        if entry.latest_revision and entry.revision_name:
            report.error(here, "either revisionName or latestRevision: true", found="both")
        elif weight and not latest and not report.is_broken((*here, "latestRevision")):
            hint = f"traffic of other revisions than the latest is {NOT_YET}"
            name = entry.revision_name
            found = f"{weight} % for {f'the revision {describe(name)}' if name else 'no revision'}"
            report.error(here, "latestRevision: true", found=found, hint=hint)
    if entries and total != 100:  # noqa: PLR2004 - percent
        report.error(path, "weights that sum up to 100", found=f"a sum of {total}")


def _restriction(report: Report, rules: Sequence[RestrictionSpec]) -> AddressRestriction | None:
    path: Path = (*INGRESS, "ipSecurityRestrictions")
    actions = {rule.action: index for index, rule in reversed(list(enumerate(rules))) if rule.action is not None}
    if len(actions) > 1:
        last = max(actions.values())
        expected = "the action of the first rule: all Allow, or all Deny"
        report.error((*path, last, "action"), expected, hint="as in Azure")
    ranges = tuple(_ranges(report, path, rules))
    return AddressRestriction(Action.ALLOW in actions, ranges) if rules else None


def _ranges(report: Report, path: Path, rules: Sequence[RestrictionSpec]) -> Iterable[str]:
    for index, rule in enumerate(rules):
        if rule.ip_address_range is None:
            continue
        here: Path = (*path, index, "ipAddressRange")
        text = rule.ip_address_range.strip()
        network = _network(text)
        if network is None:
            report.error(here, "an address or a network, such as 10.0.0.0/8")
            continue
        if "/" in text and ipaddress.ip_interface(text).ip != network.network_address:
            report.warn(here, f"the network's first address ({network})", hint=f"taken for {network}")
        yield str(network)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        # A zone (`%eth0`) means something on one machine only.
        return None if "%" in text else ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _cors(report: Report, spec: CorsSpec | None) -> CorsPolicy | None:
    if spec is None:
        return None
    path: Path = (*INGRESS, "corsPolicy")
    origins = tuple(origin.lower() for origin in spec.allowed_origins or ())
    if spec.allowed_origins == []:
        report.error((*path, "allowedOrigins"), "at least one origin", found="an empty list")
    if spec.allow_credentials and "*" in origins:
        hint = "any site may then use the app in the name of whoever visits it"
        report.warn((*path, "allowCredentials"), "origins by name beside credentials", hint=hint)
    return CorsPolicy(
        allowed_origins=origins,
        allowed_methods=tuple(method.upper() for method in spec.allowed_methods or ()),
        allowed_headers=tuple(spec.allowed_headers or ()),
        expose_headers=tuple(spec.expose_headers or ()),
        max_age_s=spec.max_age,
        allow_credentials=bool(spec.allow_credentials),
    )


def _hold(report: Report, spec: HoldSpec, outside: OutsideValues) -> Hold:
    path: Path = (*INGRESS, "hold")
    silent = Hold()
    return Hold(
        max_requests=silent.max_requests if spec.max_requests is None else spec.max_requests,
        timeout_s=silent.timeout_s if spec.timeout is None else spec.timeout,
        waiting_page=read_waiting_page(report, (*path, "waitingPage"), spec.waiting_page, outside),
        exclusions=tuple(_exclusions(report, path, spec)),
    )


def _exclusions(report: Report, path: Path, spec: HoldSpec) -> Iterable[WakeExclusion]:
    for index, entry in enumerate(spec.exclude or []):
        here: Path = (*path, "exclude", index)
        broken = any(report.is_broken((*here, name)) for name in ("pathPrefix", "userAgent"))
        if entry.path_prefix is None and entry.user_agent is None and not broken:
            report.error(here, "pathPrefix, userAgent or both", found="neither", hint="it would exclude all requests")
            continue
        yield WakeExclusion(entry.path_prefix, entry.user_agent, entry.status or WakeExclusion().status)
