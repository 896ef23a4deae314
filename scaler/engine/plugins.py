"""Finds scalers by entry points, and says what they are and take. A broken one fails only its own users."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeAlias

from scaler.ports.errors import PluginBroken
from scaler.ports.scaler import Scaler, ScalerConfig

GROUP = "scaler.scalers"
DISTRIBUTION = "event-scaler"
ScalerType: TypeAlias = type[Scaler[Any]]

_SOURCES = {"M": "metadata", "E": "environment", "A": "authentication"}


@dataclass(frozen=True, slots=True)
class Plugin:
    """One installed scaler.

    Attributes:
        type: The name in manifests.
        distribution: The package it came with; both, where two provide the same type.
        version: Of that package.
        found: The class, or why it cannot be used.
    """

    type: str
    distribution: str
    version: str
    found: ScalerType | PluginBroken

    @property
    def summary(self) -> str:
        """What it reads, in one line, or what is wrong with it."""
        if isinstance(self.found, PluginBroken):
            return f"broken: {self.found.cause}"
        return (inspect.getdoc(self.found) or "").partition("\n")[0]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a trigger.

    Attributes:
        name: As manifests write it.
        types: What JSON type it has, such as `string`.
        default: What holds when it is absent; None when nothing does.
        allowed: The only values it may have; empty when there is no such list.
        sources: Where it may come from: metadata, environment (`<name>FromEnv`), authentication.
        required: It must be given.
        secret: It is never shown.
        description: What it means.
    """

    name: str
    types: tuple[str, ...]
    default: Any
    allowed: tuple[str, ...]
    sources: tuple[str, ...]
    required: bool
    secret: bool
    description: str


def installed() -> tuple[Plugin, ...]:
    """Return every installed scaler by type, importing each; nothing that it does on import is raised.

    A type of our own cannot be taken over: another package's use of its name leaves it as it is, and is broken.
    """
    return tuple(plugin for type_, entries in _entries().items() for plugin in _plugins(type_, entries))


def discover() -> Mapping[str, ScalerType | PluginBroken]:
    """Return what stands behind every trigger type that an installed package provides.

    Each is imported when it is first asked for: all of them, with their clients, take 15 MiB and a quarter of a second.
    """
    return _Discovered(_entries())


class _Discovered(Mapping[str, ScalerType | PluginBroken]):
    def __init__(self, entries: Mapping[str, list[EntryPoint]]) -> None:
        self._entries = entries
        self._found: dict[str, ScalerType | PluginBroken] = {}

    def __getitem__(self, type_: str) -> ScalerType | PluginBroken:
        if type_ not in self._found:
            self._found[type_] = next(_plugins(type_, self._entries[type_])).found
        return self._found[type_]

    def __contains__(self, type_: object) -> bool:
        return type_ in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _entries() -> dict[str, list[EntryPoint]]:
    """Return the entry points of each type, in order."""
    by_type: dict[str, dict[tuple[str, str], EntryPoint]] = defaultdict(dict)
    for entry in entry_points(group=GROUP):
        # The same distribution may be seen twice, as in a checkout that is also installed.
        by_type[entry.name][_origin(entry)[0], entry.value] = entry
    return {type_: list(by_type[type_].values()) for type_ in sorted(by_type)}


def parameters(scaler: ScalerType) -> tuple[Parameter, ...]:
    """Return what a trigger of this type takes, in the order of its declaration."""
    schema = scaler.Config.model_json_schema()
    required = schema.get("required", [])
    return tuple(
        _parameter(name, properties, required=name in required)
        for name, properties in schema.get("properties", {}).items()
    )


def _plugins(type_: str, entries: list[EntryPoint]) -> Iterator[Plugin]:
    """Yield what stands behind a type, the usable one first."""
    own = [entry for entry in entries if _origin(entry)[0] == DISTRIBUTION]
    yield _plugin(type_, own or entries)
    for entry in entries if own else ():
        distribution, version = _origin(entry)
        if distribution != DISTRIBUTION:
            cause = f"{entry.value} has the type of a scaler that comes with {DISTRIBUTION}"
            yield Plugin(type_, distribution, version, PluginBroken(type_, distribution, cause))


def _plugin(type_: str, entries: list[EntryPoint]) -> Plugin:
    if len(entries) == 1:
        distribution, version = _origin(entries[0])
        return Plugin(type_, distribution, version, _load(type_, entries[0], distribution))
    origins = sorted(_origin(entry) for entry in entries)
    names = " and ".join(dict.fromkeys(name for name, _ in origins))
    versions = " and ".join(dict.fromkeys(version for _, version in origins))
    values = ", ".join(sorted(entry.value for entry in entries))
    cause = f"more than one scaler has this type ({values}); uninstall all but one"
    return Plugin(type_, names, versions, PluginBroken(type_, names, cause))


def _origin(entry: EntryPoint) -> tuple[str, str]:
    return (entry.dist.name, entry.dist.version) if entry.dist else ("an unknown package", "")


def _load(type_: str, entry: EntryPoint, distribution: str) -> ScalerType | PluginBroken:
    try:
        found = entry.load()
        breach = next(_breaches(type_, found), None)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a third party's import may raise whatever it likes
        return PluginBroken(type_, distribution, f"{entry.value} cannot be imported: {type(error).__name__}: {error}")
    if breach:
        return PluginBroken(type_, distribution, f"{entry.value} {breach}")
    scaler: ScalerType = found
    return scaler


def _breaches(type_: str, found: Any) -> Iterator[str]:
    """Yield what of the contract is not kept, as the rest of a sentence about the plugin; only the first is sure."""
    if not (isinstance(found, type) and issubclass(found, Scaler)):
        yield "is not a subclass of scaler.ports.scaler.Scaler"
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        yield f"does not implement {missing}"
    if getattr(found, "type", None) != type_:
        yield f"has type {getattr(found, 'type', None)!r}, but its entry point is named {type_!r}"
    config = getattr(found, "Config", None)
    if not (isinstance(config, type) and issubclass(config, ScalerConfig)):
        yield "has no Config that is a subclass of scaler.ports.scaler.ScalerConfig"
        return
    if inspect.isabstract(config):
        yield f"has a Config that does not implement {', '.join(sorted(config.__abstractmethods__))}"
    if config.model_config.get("extra") != "forbid" or not config.model_config.get("hide_input_in_errors"):
        yield "has a Config that accepts unknown parameters, or shows what was given in errors"
    if not (found.__doc__ or "").strip():
        yield "has no docstring, whose first line is its summary"
    config.model_json_schema()


def _parameter(name: str, properties: Mapping[str, Any], *, required: bool) -> Parameter:
    variants: list[Mapping[str, Any]] = [properties, *properties.get("anyOf", [])]
    secret = any(variant.get("format") == "password" for variant in variants)
    return Parameter(
        name=name,
        types=tuple(v["type"] for v in variants if v.get("type") not in (None, "null")),
        default=None if secret else properties.get("default"),
        allowed=tuple(str(value) for variant in variants for value in variant.get("enum", [])),
        sources=tuple(_SOURCES[letter] for letter in properties.get("sources", "M")),
        required=required,
        secret=secret,
        description=properties.get("description", ""),
    )
