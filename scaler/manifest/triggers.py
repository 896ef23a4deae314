"""From a trigger as declared to a configured one: its parameters are collected and put to the scaler's model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from scaler.manifest.checking import expectation
from scaler.manifest.declared import AuthParameter, Environment, TriggerSource
from scaler.manifest.keda.trigger_types import KEDA_TYPES
from scaler.manifest.limits import check_limits
from scaler.manifest.located import Path
from scaler.manifest.parameters import FROM_ENV, Parameter, metadata_keys, parameters
from scaler.manifest.problems import NOT_YET, NOTHING, Report, closest, describe, listed, missing_space, nearest
from scaler.manifest.traffic import check_requests
from scaler.manifest.unknown_values import configure
from scaler.manifest.values import UNKNOWN, Unknown
from scaler.model import App, ForeignTarget, Trigger, TriggerPolicy
from scaler.ports.errors import ConfigError
from scaler.ports.scaler import ReplicaConfig, ReplicaScaler, Scaler, ScalerConfig, TrafficConfig, TrafficScaler

Scalers = Mapping[str, type[Scaler[ScalerConfig]] | ConfigError]


def build_triggers(
    report: Report,
    scalers: Scalers,
    sources: list[TriggerSource],
    environment: Environment,
    target: App | ForeignTarget,
) -> tuple[Trigger, ...]:
    """Return those that can be configured; everything wrong was reported."""
    names: set[str] = set()
    triggers = []
    for source in sources:
        if source.name in names:
            report.error(source.name_path, "a name of its own for each", found=describe(source.name) + " a second time")
        names.add(source.name)
        trigger = _Building(report, source, environment, target).build(scalers)
        if trigger is not None:
            triggers.append(trigger)
    return tuple(triggers)


def find_scaler(report: Report, scalers: Scalers, path: Path, type_: str) -> type[Scaler[ScalerConfig]] | None:
    """Return the scaler of a type; None when there is none, which was reported."""
    scaler = scalers.get(type_)
    if isinstance(scaler, ConfigError):
        report.error(path, "a scaler that works", hint=str(scaler))
    elif scaler is not None:
        return scaler
    elif type_ == "tcp":  # Azure's, which KEDA has not
        report.error(path, "the type of a scaler", hint=f"scaling on TCP connections is {NOT_YET}")
    else:
        hint = f"{type_} is {NOT_YET}" if type_ in KEDA_TYPES else closest(type_, scalers)
        report.error(path, f"the type of an installed scaler ({listed(scalers)})", hint=hint)
    return None


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a value stands."""

    report: Report
    path: Path


class _Building:
    """The collection of one trigger's parameters."""

    def __init__(
        self, report: Report, source: TriggerSource, environment: Environment, target: App | ForeignTarget
    ) -> None:
        self._report = report
        self._source = source
        self._environment = environment
        self._target = target
        self._known: Mapping[str, Parameter] = {}
        self._values: dict[str, str] = {}
        self._origins: dict[str, _Origin | None] = {}
        self._unknown: set[str] = set()
        self._complete = True

    def build(self, scalers: Scalers) -> Trigger | None:
        source = self._source
        if not source.type:
            return None
        scaler = find_scaler(self._report, scalers, (*source.path, "type"), source.type)
        if scaler is None:
            return None
        if issubclass(scaler, TrafficScaler):
            check_requests(self._report, source.path, source.type, self._target)
        if source.metric_type not in {None, *scaler.metric_types}:
            self._report.error((*source.path, "metricType"), f"one of {listed(scaler.metric_types)} with {source.type}")
        self._known = parameters(scaler.Config)
        self._collect()
        config = self._validated(scaler)
        if config is None or not self._complete:
            return None
        return self._configured(scaler, config)

    def _collect(self) -> None:
        """Fill values in KEDA's order: the environment, then metadata, then authentication parameters win."""
        metadata = self._source.metadata
        written = self._report.document.get((*self._source.path, "metadata"))
        for key, value in written.items() if isinstance(written, Mapping) else ():
            if value is None and self._parameter(key) is None:
                self._unknown_key(key, beside_value=False)
        for key in sorted(metadata, key=lambda key: not key.endswith(FROM_ENV)):
            self._collect_metadata(key, metadata[key])
        if self._source.auth.parameters is None:
            for parameter in self._known.values():
                if "A" in parameter.sources:
                    self._spoil(parameter.name)
        for name, auth in (self._source.auth.parameters or {}).items():
            if auth is None:
                self._spoil(name)
            else:
                self._collect_auth(name, auth)

    def _collect_metadata(self, key: str, text: str) -> None:
        path = (*self._source.path, "metadata", key)
        exact, parameter = self._known.get(key), self._parameter(key)
        if parameter is None:
            self._unknown_key(key, beside_value=True)
        elif parameter.refused:
            self._report.error(path, "the key to be absent", found="the key", hint=parameter.refused, at_key=True)
            self._spoil(parameter.name)
        elif exact is not None and "M" in exact.sources:
            self._take(key, text, self._report, path)
        elif exact is None and "E" in parameter.sources:
            self._take_variable(parameter.name, text, path)
        else:
            self._report.error(path, self._ways(parameter.name), found="the key in metadata", at_key=True)
            self._spoil(parameter.name)

    def _parameter(self, key: str) -> Parameter | None:
        return self._known.get(key) or self._known.get(key.removesuffix(FROM_ENV))

    def _unknown_key(self, key: str, *, beside_value: bool) -> None:
        keys = metadata_keys(self._known)
        meant, swallowed = nearest(key, keys), missing_space(key)
        hint = swallowed or (f"did you mean {meant}?" if meant else "")
        # A key without a value may be a value that lost its key.
        hide = bool(swallowed) or not (beside_value or (meant and key.isalpha()))
        path = (*self._source.path, "metadata", key)
        self._report.error(
            path, f"one of {listed(keys)}", found="an unknown key", hint=hint, at_key=True, hide_key=hide
        )
        self._spoil(meant if meant in self._known else meant.removesuffix(FROM_ENV))

    def _collect_auth(self, name: str, auth: AuthParameter) -> None:
        parameter = self._known.get(name)
        found = f"the authentication parameter {describe(name)}"
        if parameter is None:
            names = [known.name for known in self._known.values() if "A" in known.sources]
            auth.report.error(auth.path, f"one of {listed(names)}", found=found, hint=closest(name, names))
        elif parameter.refused:
            auth.report.error(auth.path, "the parameter to be absent", found=found, hint=parameter.refused)
            self._spoil(name)
        elif "A" not in parameter.sources:
            auth.report.error(auth.path, self._ways(name), found=found)
            self._spoil(name)
        else:
            self._take(name, auth.value, auth.report, auth.path)

    def _take(self, name: str, value: str, report: Report, path: Path) -> None:
        if not value.strip():
            return  # KEDA takes an empty value for an absent one
        if name in self._values and (before := self._origins[name]) is not None:
            hint = "authentication parameters win over metadata, metadata over the environment"
            before.report.warn(before.path, f"only one source of {name!r}", found="one of several", hint=hint)
        (self._unknown.add if isinstance(value, Unknown) else self._unknown.discard)(name)
        self._values[name] = value
        self._origins[name] = _Origin(report, path)

    def _take_variable(self, name: str, variable: str, path: Path) -> None:
        if not variable.strip():
            return
        variables = self._environment.variables
        if variables is None:
            self._spoil(name)
        elif variable not in variables:
            self._lack_variable(name, path, closest(variable, variables))
        elif (value := variables[variable]) is None:
            self._spoil(name)
        else:
            self._take(name, value, self._report, path)

    def _lack_variable(self, name: str, path: Path, hint: str) -> None:
        # For a secret's name, somebody may have written the secret itself.
        found = "a name that is not shown" if self._known[name].secret else None
        expected = f"a variable of {self._environment.origin}"
        if self._environment.optional:
            self._report.unchecked(path, expected, "the variable", found=found, hint=hint)
            self._take(name, UNKNOWN, self._report, path)
        else:
            self._report.error(path, expected, found=found, hint=hint)
            self._spoil(name)

    def _spoil(self, name: str) -> None:
        """Remember that a value exists in the manifest but cannot be had, so that it is not called missing too."""
        self._complete = False
        self._origins.setdefault(name, None)

    def _ways(self, name: str) -> str:
        ways = {"M": f"{name} in metadata", "E": f"{name}{FROM_ENV} in metadata", "A": f"{name} as a secret"}
        return " or ".join(text for letter, text in ways.items() if letter in self._known[name].sources)

    def _validated(self, scaler: type[Scaler[ScalerConfig]]) -> ScalerConfig | None:
        try:
            config, errors = configure(
                scaler.Config, self._values, unknown=self._unknown, more=self._source.auth.unknown
            )
            for error in errors:
                self._blame(error["type"], str(error["loc"][0]) if error["loc"] else "", expectation(error))
        except Exception as bug:  # noqa: BLE001 - a third party's validator; its text may hold a secret
            self._bug(bug)
            return None
        return config

    def _blame(self, kind: str, name: str, expected: str) -> None:
        metadata = (*self._source.path, "metadata")
        origin = self._origins.get(name)
        if name in self._values and origin is not None:
            # What a secret may give may be one wherever it stands, such as an address with a password in it.
            shown = (
                origin.path == (*metadata, name) and self._known[name].sources == "M" and not self._known[name].secret
            )
            origin.report.error(origin.path, expected, found=None if shown else f"a value of {name} that is not shown")
        elif kind == "missing" and name not in self._origins:
            self._report.error((*metadata, name), self._ways(name) if name in self._known else "a value", found=NOTHING)
        elif self._complete:
            # The whole is wrong; were something in it not to be had, that would be why.
            self._report.error(metadata, expected, found=f"parameters of {self._source.type} that do not fit")

    def _bug(self, bug: Exception) -> None:
        hint = f"the scaler itself failed with {type(bug).__name__}"
        self._report.error((*self._source.path, "type"), "a scaler that works", hint=hint)

    def _configured(self, scaler: type[Scaler[ScalerConfig]], config: ScalerConfig) -> Trigger | None:
        source = self._source
        metadata = (*source.path, "metadata")
        try:
            metric_type = config.metric_type(source.metric_type)
        except ValueError as error:
            self._report.error(metadata, str(error), found=f"parameters of {source.type} that do not fit")
            return None
        except Exception as bug:  # noqa: BLE001 - a third party's code
            self._bug(bug)
            return None
        try:
            target, activation = float(config.target()), float(config.activation())
        except Exception as bug:  # noqa: BLE001 - a third party's code
            self._bug(bug)
            return None
        if not (math.isfinite(target) and target > 0 and math.isfinite(activation)):
            self._report.error(metadata, "a target above 0", found=f"a target of {target:g}")
            return None
        if issubclass(scaler, ReplicaScaler) and isinstance(config, ReplicaConfig):
            check_limits(
                self._report, source.path, scaler=scaler, config=config, metric_type=metric_type, target=self._target
            )
        policy = TriggerPolicy(
            name=source.name,
            type=source.type,
            target=target,
            metric_type=metric_type,
            activation=activation,
            kind=scaler.kind,
            exact=scaler.exact,
            busy_start=scaler.busy_start,
            concurrency=config.concurrency() if isinstance(config, TrafficConfig) else None,
        )
        return Trigger(policy=policy, config=config)
