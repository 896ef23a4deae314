"""The plugin contract: a scaler reads one kind of event source."""

from __future__ import annotations

import builtins
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, model_validator
from pydantic.fields import FieldInfo

from scaler.model import ConcurrencyPolicy, MetricType, Reading, Resource, TriggerKind
from scaler.ports.connections import Connections
from scaler.ports.statistics import Statistics
from scaler.ports.traffic import Traffic


class ScalerConfig(BaseModel, ABC):
    """A trigger's parameters: metadata and authentication parameters merged, under KEDA's names as aliases.

    Field metadata says where a value may come from, as KEDA declares it: `json_schema_extra={"sources": "MEA"}` with
    M trigger metadata, E `<name>FromEnv`, A authentication parameter; M when absent. Secrets are `SecretStr`.

    A blank parameter counts as absent, as in KEDA. Subclasses raise ValueError in validators; the text must not hold
    what was given for a secret. `scaler.ports.parameters` has KEDA's types, and `Refused` for what is not supported.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=False, str_strip_whitespace=True
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_blank(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        known = {alias for name, field in cls.model_fields.items() for alias in _aliases(name, field)}
        return {
            name: value
            for name, value in given.items()
            if not (name in known and isinstance(value, str) and not value.strip())
        }

    @abstractmethod
    def target(self) -> float:
        """Return the value that one replica is to carry, in the reading's unit."""

    @abstractmethod
    def activation(self) -> float:
        """Return the value above which (strictly) the trigger is active."""

    def counts_in_progress(self) -> bool:
        """Tell whether what is read includes items that are already being worked on.

        Then a count that falls means that work was done, not that it was begun, and without a `behavior` replicas are
        taken away sooner; see `ScalingPolicy.scale_down`.
        """
        return False

    def read_timeout_s(self) -> float | None:
        """Return how many seconds one read may take where the parameters say so; None leaves it to the engine (3)."""
        return None

    def metric_type(self, declared: MetricType | None) -> MetricType:
        """Return how values and the target are meant, given the trigger's own `metricType` (None when it has none).

        Raises:
            ValueError: The parameters do not go with it; the text says what would.
        """
        return declared or MetricType.AVERAGE_VALUE


def _aliases(name: str, field: FieldInfo) -> list[str]:
    alias = field.validation_alias or name
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    return [choice for choice in choices if isinstance(choice, str)]


C = TypeVar("C", bound=ScalerConfig)


class Scaler(ABC, Generic[C]):
    """Reads one kind of event source.

    The class docstring's first line is the summary that `scaler plugins` prints.

    Attributes:
        type: The name in manifests; equal to the entry point's name.
        Config: The parameters.
        counts_in_progress: The number includes items that are already being worked on.
        kind: Where values come from.
        exact: No tolerance applies to the target.
        metric_types: What `metricType` may say.
        busy_start: What is read of replicas is higher while they start; see `TriggerPolicy`.
    """

    type: ClassVar[str]
    Config: ClassVar[builtins.type[ScalerConfig]]
    counts_in_progress: ClassVar[bool] = False
    kind: ClassVar[TriggerKind] = TriggerKind.EXTERNAL
    exact: ClassVar[bool] = False
    metric_types: ClassVar[frozenset[MetricType]] = frozenset({MetricType.AVERAGE_VALUE, MetricType.VALUE})
    busy_start: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def open(cls, config: C, connections: Connections) -> AbstractAsyncContextManager[Self]:
        """Make the scaler ready to read, and close it on exit.

        The server need not be up: opening succeeds, and reads fail until it is. Closing leaves no task, socket or
        thread behind and may be repeated.
        """

    @abstractmethod
    async def read(self) -> Reading:
        """Read the source once, changing nothing in it.

        The engine sets the deadline. Cancellation propagates and leaves the scaler usable; concurrent reads are
        allowed. After an outage the next read simply works, without reopening.

        Raises:
            SourceUnavailable: An outage, a time-out or throttling.
            SourceRejected: Credentials, the kind of key or the queue are wrong.
        """


class PushScaler(Scaler[C]):
    """A scaler whose source can say that something came."""

    @abstractmethod
    def wakeups(self) -> AsyncIterator[None]:
        """Yield whenever something may have come; many events may be one item.

        Only a hint: the engine goes on polling. It ends when the source cannot push (such as notifications that are
        off at the server) and raises SourceError on an outage; the engine then starts it again with back-off.
        """


class ReplicaConfig(ScalerConfig):
    """Parameters of a trigger on what the workload's own replicas use."""

    def container(self) -> str | None:
        """Return the name of the one container that counts; None for the whole replica."""
        return None


R = TypeVar("R", bound=ReplicaConfig)


class ReplicaScaler(Scaler[R]):
    """A scaler that follows what the workload's own replicas use of a resource.

    Its readings carry samples instead of a value. With the metric type Utilization they are a share of the limit that
    the containers declare: a manifest whose containers declare none is refused.

    Attributes:
        resource: What is used.
    """

    kind = TriggerKind.RESOURCE
    metric_types = frozenset({MetricType.UTILIZATION, MetricType.AVERAGE_VALUE})
    resource: ClassVar[Resource]

    @abstractmethod
    def attach(self, statistics: Statistics) -> None:
        """Take the statistics of the trigger's own workload; called once, before the first read."""


class TrafficConfig(ScalerConfig):
    """Parameters of a trigger on the requests to the workload itself."""

    @abstractmethod
    def concurrency(self) -> ConcurrencyPolicy | None:
        """Return the rules for readings of requests in flight; None where readings are of another kind."""


T = TypeVar("T", bound=TrafficConfig)


class TrafficScaler(PushScaler[T]):
    """A scaler that follows the requests to the workload itself: the workload must be an app with ingress."""

    @abstractmethod
    def attach(self, traffic: Traffic) -> None:
        """Take the traffic of the trigger's own workload; called once, before the first read."""
