"""Every scaler takes the keys that KEDA's schema has for its type, from the same places and with the same defaults.

What differs on purpose is named here, by rule.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from scaler.engine import plugins
from scaler.manifest.parameters import parameters

SCHEMA: Mapping[str, Mapping[str, Mapping[str, Any]]] = json.loads(
    (Path(__file__).parent / "data" / "keda-parameters.json").read_text()
)
# Types whose parameters the schema has under another one's name: the same connection, the same counts.
SAME_AS = {
    "redis-cluster": "redis",
    "redis-sentinel": "redis",
    "redis-cluster-streams": "redis-streams",
    "redis-sentinel-streams": "redis-streams",
}
# Types that KEDA's core has not, and whose they are.
OTHERS = {"http": "Azure's rule on requests; KEDA's HTTP add-on has a resource of its own for them"}
# Where ours differs on purpose, and why.
DIFFERENT: Mapping[tuple[str, str], str] = {
    ("rabbitmq", "mode"): "KEDA's default Unknown is its word for none: QueueLength",
}
OWN = {plugin.type: plugin.found for plugin in plugins.installed() if plugin.distribution == plugins.DISTRIBUTION}


def rows() -> list[tuple[str, str]]:
    return [(type_, name) for type_ in sorted(OWN.keys() - OTHERS) for name in SCHEMA[SAME_AS.get(type_, type_)]]


@pytest.mark.parametrize("type_", sorted(OTHERS))
def test_what_is_called_another_s_is_not_keda_s(type_: str) -> None:
    assert type_ in OWN
    assert type_ not in SCHEMA


@pytest.mark.parametrize(("type_", "name"), rows())
def test_a_row_of_keda_s_table_holds_here(type_: str, name: str) -> None:
    if (type_, name) in DIFFERENT:
        pytest.skip(DIFFERENT[type_, name])
    row = SCHEMA[SAME_AS.get(type_, type_)][name]
    found = parameters(OWN[type_].Config)
    assert name in found, sorted(found)
    if found[name].refused:
        return  # where a value may come from that is refused in any case says nothing
    # What may hold a credential, such as an address, may here come from an authentication, too.
    assert set(row["sources"]) <= set(found[name].sources) <= {*row["sources"], "A"}
    if row["default"] is not None:
        defaults = {parameter.name: parameter.default for parameter in plugins.parameters(OWN[type_])}
        assert same(defaults[name], row["default"])


def same(ours: object, kedas: str) -> bool:
    if isinstance(ours, int | float) and not isinstance(ours, bool):
        return float(kedas) == ours
    return str(ours).lower() == kedas.lower()
