"""What one Envoy has, in units that it can accept or refuse one by one, and the resources that a set of units makes.

A unit of clusters or of routes is an app; of listeners, a listener or the certificates of an app; of endpoints, a
cluster. Where Envoy refuses a push of many, pushes of fewer tell which it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2

from scaler.ingress.xds import listeners, naming, routes
from scaler.ingress.xds.catalogue import ListenerPlan, Snapshot
from scaler.ingress.xds.certificates import Certificate
from scaler.ingress.xds.naming import Side
from scaler.ingress.xds.packing import serialized, type_url

# Units by name; what a unit is depends on the kind.
Units = Mapping[str, Any]

# Tells listeners from apps, which have no slash in their names.
_LISTENER = "/"


class Kind(Enum):
    """The kinds of resources, by the type that discovery names them by."""

    CLUSTERS = type_url(cluster_pb2.Cluster)
    ENDPOINTS = type_url(endpoint_pb2.ClusterLoadAssignment)
    LISTENERS = type_url(listener_pb2.Listener)
    ROUTES = type_url(route_pb2.RouteConfiguration)


def wanted(kind: Kind, snapshot: Snapshot) -> dict[str, Any]:
    """Return the units that an Envoy is to have; those that amount to nothing are not there."""
    match kind:
        case Kind.CLUSTERS:
            return {name: app.clusters for name, app in snapshot.apps.items()}
        case Kind.ENDPOINTS:
            return {cluster: load for app in snapshot.apps.values() for cluster, load in app.assignments.items()}
        case Kind.ROUTES:
            return {name: app.virtual_hosts for name, app in snapshot.apps.items() if app.virtual_hosts}
        case Kind.LISTENERS:
            plans = {_LISTENER + name: plan for name, plan in snapshot.listeners.items()}
            return plans | {name: app.certificates for name, app in snapshot.apps.items() if app.certificates}


def with_former(clusters: Units, former: Units) -> dict[str, Any]:
    """Return apps' clusters together with those that were theirs before: routes may still lead there."""
    grown = dict(former)
    for name, each in clusters.items():
        had = former.get(name, each)
        grown[name] = each if had.keys() <= each.keys() else {**had, **each}
    return grown


def differences(before: Units, after: Units) -> list[str]:
    """Return the names of the units that are not the same, listeners first."""
    # Most are the same objects; comparing these is quick.
    changed = [name for name, unit in after.items() if before.get(name) is not unit and before.get(name) != unit]
    changed += [name for name in before if name not in after]
    return sorted(changed, key=lambda name: not name.startswith(_LISTENER))


def changed_units(before: Units, after: Units, names: Iterable[str]) -> dict[str, Any]:
    """Return the units from before, those of these names as they are after."""
    units = dict(before)
    for name in names:
        if name in after:
            units[name] = after[name]
        else:
            units.pop(name, None)
    return units


def sides_of(before: Units, after: Units, names: Iterable[str]) -> set[str]:
    """Return the sides on which routes of these apps differ."""
    return {
        side.value for name in names for side in Side if before.get(name, {}).get(side) != after.get(name, {}).get(side)
    }


def resources(kind: Kind, units: Units, *, changed: Iterable[str], sides: Iterable[str]) -> list[bytes]:
    """Return what a push consists of, serialized.

    Clusters and listeners are always all there are; of endpoints it is those that changed, of routes those of `sides`.
    """
    match kind:
        case Kind.CLUSTERS:
            return [each for app in units.values() for each in app.values()]
        case Kind.ENDPOINTS:
            return [units[name] for name in changed if name in units]
        case Kind.LISTENERS:
            return _listeners(units)
        case Kind.ROUTES:
            return [_route_configuration(Side(side), units) for side in sorted(sides)]


def _listeners(units: Units) -> list[bytes]:
    """Return the serialized listeners, the TLS one with the certificates of all apps."""
    pairs: dict[str, Certificate] = {}
    for name, unit in units.items():
        if not name.startswith(_LISTENER):
            pairs.update(unit)
    found = []
    for name, plan in units.items():
        if not name.startswith(_LISTENER):
            continue
        if plan.side is not Side.TLS:
            found.append(serialized(listeners.plain_listener(name[1:], plan.at, plan.side)))
        elif plan.certificate or pairs:
            found.append(serialized(listeners.tls_listener(plan.at, plan.certificate, pairs)))
    return found


def sides_listened(units: Units) -> set[str]:
    """Return the names of the routes that listeners ask for."""
    pairs = any(not name.startswith(_LISTENER) for name in units)
    plans: list[ListenerPlan] = [plan for name, plan in units.items() if name.startswith(_LISTENER)]
    return {plan.side.value for plan in plans if plan.side is not Side.TLS or plan.certificate or pairs}


def _route_configuration(side: Side, units: Units) -> bytes:
    return routes.route_configuration(side, (app[side] for app in units.values() if side in app))


def named_in(message: str, units: Collection[str], snapshot: Snapshot) -> list[str]:
    """Return the units that a message of Envoy's seems to be about."""
    words = set(re.findall(r"[^\s'\",:;()\[\]]+", message))
    words |= {word.strip(".") for word in words}
    return [name for name in units if words & _known_by(name, snapshot)]


def _known_by(unit: str, snapshot: Snapshot) -> set[str]:
    names = {unit, unit.lstrip(_LISTENER), naming.h1_cluster(unit), naming.h2_cluster(unit)}
    if unit in snapshot.apps:
        names |= {domain.name for domain in snapshot.apps[unit].site.ingress.custom_domains}
    return names
