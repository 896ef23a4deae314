"""`customDomains`: an app's own host names, and that each host belongs to one app only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from scaler.manifest.aca.ingress import BindingType, DomainSpec
from scaler.manifest.certificates import Certificates
from scaler.manifest.located import Path
from scaler.manifest.problems import NOTHING, Report, describe
from scaler.model import CustomDomain

DOMAINS: Path = ("properties", "configuration", "ingress", "customDomains")
_CERTIFICATE = re.compile(r"[A-Za-z0-9][-._A-Za-z0-9]{0,127}", re.ASCII)


def build_domains(
    report: Report, path: Path, specs: Sequence[DomainSpec], certificates: Certificates
) -> tuple[CustomDomain, ...]:
    """Return an app's host names in lower case, each once."""
    domains: dict[str, CustomDomain] = {}
    for index, spec in enumerate(specs):
        certificate = _certificate(report, (*path, index), spec, certificates)
        if spec.name is not None:
            domains.setdefault(spec.name.lower(), CustomDomain(spec.name.lower(), certificate))
    return tuple(domains.values())


def certificate_name(certificate_id: str) -> str | None:
    """Return the last part of an id when it is a plain name, which leads to no other folder."""
    name = certificate_id.rpartition("/")[2]
    return name if _CERTIFICATE.fullmatch(name) else None


def _certificate(report: Report, path: Path, spec: DomainSpec, certificates: Certificates) -> str | None:
    here: Path = (*path, "certificateId")
    if spec.certificate_id is None or not spec.certificate_id.strip():
        if spec.binding_type is BindingType.SNI_ENABLED and not report.is_broken(here):
            report.error(here, "the name of a certificate, or an id that ends with it", found=NOTHING)
        elif spec.binding_type is BindingType.AUTO:
            hint = "no certificate is issued here: the default one is served"
            report.warn((*path, "bindingType"), "SniEnabled with a certificateId, or Disabled", hint=hint)
        return None
    if spec.binding_type is BindingType.DISABLED:
        report.warn(here, "the field to be absent", found="the field", hint="ignored: bindingType is Disabled")
        return None
    name = certificate_name(spec.certificate_id.strip())
    if name is None:
        report.error(here, "the name of a certificate (letters, digits, '-', '_', '.'), or an id that ends with it")
        return None
    certificates.check(report, here, name)
    return name


def check_hosts(apps: Mapping[str, Report]) -> None:
    """Report every host name that is another's already: of the same app, of another one, or another one's own.

    Args:
        apps: Those with an ingress, by name, with the reports of their documents.
    """
    own = {host: name for name in apps for host in (f"{name}.localhost", name)}
    taken: dict[str, str] = {}
    for app, report in apps.items():
        for path, host in _written(report):
            owner = own.get(host, app)
            place = str(report.document.locate(path))
            if owner != app:
                hint = f"it is the own name of the app at {apps[owner].document.location}"
                report.error(path, "a host name that is no other app's", hint=hint)
            elif host in taken:
                found = f"{describe(host)} a second time"
                report.error(path, "each host name once", found=found, hint=f"first at {taken[host]}")
            taken.setdefault(host, place)


def _written(report: Report) -> Iterator[tuple[Path, str]]:
    specs: Iterable[object] = report.document.get(DOMAINS) or ()
    for index, spec in enumerate(specs if isinstance(specs, list) else ()):
        path: Path = (*DOMAINS, index, "name")
        name = spec.get("name") if isinstance(spec, dict) else None
        if isinstance(name, str) and not report.is_broken(path):
            yield path, name.lower()
