"""What all Envoys are to know: every app's resources, checked one by one, and the listeners."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from scaler.certificates import DEFAULT
from scaler.ingress.settings import IngressSettings, Listen
from scaler.ingress.site import Backend, Site
from scaler.ingress.xds import certificates, naming, resources
from scaler.ingress.xds.certificates import Certificate, CertificateUnusable
from scaler.ingress.xds.hosts import Hosts
from scaler.ingress.xds.naming import Side
from scaler.ingress.xds.resources import AppResources
from scaler.model import CustomDomain, Ingress
from scaler.model.ingress import DEFAULT_DNS_SUFFIX

_LONGEST_S = 10 * 365 * 24 * 3600.0
_LARGEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class ListenerPlan:
    """A listener; `certificate` is what it serves hosts with that have none of their own."""

    side: Side
    at: Listen
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is wanted at one moment. Versions grow."""

    version: int
    apps: Mapping[str, AppResources]
    listeners: Mapping[str, ListenerPlan]


class Catalogue:
    """The wanted sites, and what becomes of them.

    A flaw that concerns a part of an app costs it that part: a host name that another app has, a certificate that does
    not load and never did. One that concerns the whole costs it the new ingress: it stays with that which was accepted
    last, while its replicas and its being hot go on as they are; an app of which nothing was accepted is left out.
    """

    def __init__(self, settings: IngressSettings, *, dns_suffix: str = DEFAULT_DNS_SUFFIX) -> None:
        self._settings = settings
        self._dns_suffix = dns_suffix
        self._sites: dict[str, Site] = {}
        self._built: dict[str, AppResources] = {}
        self._hosts = Hosts()
        self._refused: dict[str, tuple[Ingress, str]] = {}
        self._accepted: dict[str, Ingress] = {}
        # The pairs that could be used last: what is broken or half replaced since goes on with these.
        self._usable: dict[str, Certificate] = {}
        self._version = 0
        self._snapshot: Snapshot | None = None
        self._problems: dict[str, tuple[str, ...]] = {}
        self._reported: dict[str, tuple[str, ...]] = {}
        self.configure(settings)

    def configure(self, settings: IngressSettings) -> tuple[str, ...]:
        """Take other settings, and read the certificates again; return what is wrong with the listeners."""
        moved = settings != self._settings
        self._settings = settings
        self._pairs: dict[str, Certificate | str] = {}
        self._listeners: dict[str, ListenerPlan] = {
            Side.EXTERNAL.value: ListenerPlan(Side.EXTERNAL, settings.external),
            **{f"{Side.INTERNAL}/{at}": ListenerPlan(Side.INTERNAL, at) for at in settings.internal},
        }
        flaws: list[str] = []
        if settings.tls is not None:
            default = self._pair(DEFAULT, flaws)
            self._listeners[Side.TLS.value] = ListenerPlan(Side.TLS, settings.tls, default)
        for name in list(self._sites):
            if moved or self._brings_certificate(name):
                self._build(name)
        self._changed()
        return tuple(flaws)

    def put(self, site: Site) -> None:
        """Want an app to be as this says."""
        refused = self._refused.get(site.name)
        if refused and refused[0] != site.ingress:
            del self._refused[site.name]
        self._sites[site.name] = site
        own = {
            host
            for side in Side
            for host in naming.own_hosts(site.name, site.ingress, side, dns_suffix=self._dns_suffix)
        }
        wanted = {_host(domain) for domain in site.ingress.custom_domains}
        others = self._hosts.claim(site.name, own if site.routed else (), wanted if site.routed else ())
        for name in {site.name} | others:
            self._build(name)
        self._changed()

    def drop(self, name: str) -> None:
        """Want an app to be gone."""
        self._sites.pop(name, None)
        self._built.pop(name, None)
        self._refused.pop(name, None)
        self._accepted.pop(name, None)
        self._problems.pop(name, None)
        for other in self._hosts.release(name):
            self._build(other)
        self._changed()

    def accepted(self, apps: Mapping[str, AppResources]) -> None:
        """Take note that an Envoy has all of these."""
        for name, each in apps.items():
            if name in self._sites:
                self._accepted[name] = each.site.ingress

    def refuse(self, name: str, refused: AppResources, message: str) -> None:
        """Take note that an Envoy does not take an app like this."""
        if name not in self._sites:
            return
        if refused.site.ingress == self._sites[name].ingress:
            self._refused[name] = (refused.site.ingress, message)
        if refused.site.ingress == self._accepted.get(name):
            del self._accepted[name]
        self._build(name)
        self._changed()

    def refusal(self, name: str) -> str | None:
        """Return why an app is left out; None when it is not."""
        if name in self._built or name not in self._sites:
            return None
        return self._refused[name][1] if name in self._refused else "; ".join(self._problems.get(name, ()))

    def take_problems(self) -> dict[str, tuple[str, ...]]:
        """Return what is wrong with apps, and was not so when this was called before."""
        before, self._reported = self._reported, dict(self._problems)
        return {name: found for name, found in self._reported.items() if found and before.get(name) != found}

    def resources(self, name: str) -> AppResources | None:
        """Return what Envoys are to be told of an app; None is nothing."""
        return self._built.get(name)

    def snapshot(self) -> Snapshot:
        """Return all that is wanted now."""
        if self._snapshot is None:
            self._snapshot = Snapshot(
                self._version, MappingProxyType(dict(self._built)), MappingProxyType(dict(self._listeners))
            )
        return self._snapshot

    @property
    def version(self) -> int:
        """The version of the snapshot."""
        return self._version

    def _changed(self) -> None:
        self._version += 1
        self._snapshot = None

    def _build(self, name: str) -> None:
        wanted = self._sites[name]
        problems: list[str] = []
        ingresses = [wanted.ingress]
        if name in self._refused:
            ingresses = []
        if (last := self._accepted.get(name)) is not None and last not in ingresses:
            ingresses.append(last)
        self._built.pop(name, None)
        for ingress in ingresses:
            site = replace(wanted, ingress=ingress)
            try:
                self._built[name] = self._checked(site, problems)
                break
            except (ValueError, TypeError) as error:
                problems.append(f"left as it was: {error}" if last else f"left out: {error}")
        self._problems[name] = tuple(problems)

    def _checked(self, site: Site, problems: list[str]) -> AppResources:
        _check(site)
        backends = tuple(each for each in site.backends if _reachable(each))
        lost = [each for each in site.backends if each not in backends]
        problems += [f"replica {each.replica}: no IP address and port: {each.endpoint}" for each in lost]
        domains = site.ingress.custom_domains if site.routed else ()
        served = [domain for domain in domains if self._may_serve(site, domain, problems)]
        pairs = {}
        for domain in served if site.ingress.external and self._settings.tls else ():
            if domain.certificate and (pair := self._pair(domain.certificate, problems)):
                pairs[_host(domain)] = pair
        sides = {plan.side for plan in self._listeners.values()}
        hosts = {
            side: self._hosts_of(site, side, [_host(domain) for domain in served]) for side in Side if side in sides
        }
        return resources.build(
            replace(site, backends=backends),
            hosts,
            certificates=pairs,
            tls_port=self._settings.tls.port if self._settings.tls else None,
        )

    def _brings_certificate(self, name: str) -> bool:
        ingresses = (self._sites[name].ingress, self._accepted.get(name))
        return any(domain.certificate for each in ingresses if each for domain in each.custom_domains)

    def _may_serve(self, site: Site, domain: CustomDomain, problems: list[str]) -> bool:
        owner = self._hosts.owner(_host(domain))
        if not naming.is_host(_host(domain)):
            problems.append(f"custom domain {domain.name!r}: not a host name")
        elif owner not in {None, site.name}:
            problems.append(f"custom domain {domain.name!r}: app {owner} has it")
        return owner == site.name and naming.is_host(_host(domain))

    def _hosts_of(self, site: Site, side: Side, domains: list[str]) -> tuple[str, ...]:
        if side is not Side.INTERNAL and not site.ingress.external:
            return ()
        own = naming.own_hosts(site.name, site.ingress, side, dns_suffix=self._dns_suffix)
        mine = [host for host in own if self._hosts.owner(host) == site.name]
        return tuple(dict.fromkeys((*mine, *domains)))

    def _pair(self, name: str, flaws: list[str]) -> Certificate | None:
        if name not in self._pairs:
            try:
                self._pairs[name] = self._usable[name] = certificates.load(self._settings.certificates, name)
            except CertificateUnusable as error:
                self._pairs[name] = str(error)
        pair = self._pairs[name]
        if isinstance(pair, str):
            flaws.append(pair)
            return self._usable.get(name)
        return pair


def _host(domain: CustomDomain) -> str:
    return domain.name.lower().rstrip(".")


def _reachable(backend: Backend) -> bool:
    try:
        ipaddress.ip_address(backend.endpoint.host)
    except ValueError:
        return False
    # A link-local address with its interface is one for Python, and none for Envoy.
    return "%" not in backend.endpoint.host and 0 < backend.endpoint.port <= _LARGEST_PORT


def _check(site: Site) -> None:
    if not naming.is_host(site.name.lower()):
        raise ValueError(f"{site.name!r} cannot be a host name")
    for what, seconds in (
        ("request time-out", site.ingress.request_timeout_s),
        ("hold time-out", site.ingress.hold.timeout_s),
    ):
        if not 0 <= seconds <= _LONGEST_S:
            raise ValueError(f"{what} of {seconds} s")
