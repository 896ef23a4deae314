"""Parameters that cpu and memory share."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic.json_schema import SkipJsonSchema

from scaler.model import MetricType
from scaler.ports.parameters import Refused
from scaler.ports.quantities import parse_quantity
from scaler.ports.scaler import ReplicaConfig

# In milli-units it still fits into 64 bits; KEDA overflows with more.
_LARGEST = 10**15
_INT32_MAX = 2**31 - 1


class ResourceConfig(ReplicaConfig):
    """Parameters of the `cpu` and `memory` triggers."""

    value: str = Field(
        description="the target: whole percent of the limit with Utilization, or with AverageValue a Kubernetes "
        "quantity of cores or bytes per replica, such as 500m or 256Mi"
    )
    type: Literal["Utilization", "AverageValue"] | None = Field(
        None, description="how value is meant; KEDA's deprecated form of metricType, and the only one in Azure's rules"
    )
    container_name: str | None = Field(
        None, validation_alias="containerName", description="the one container that counts; without it all do"
    )

    # KEDA's page on cpu has it in its examples.
    activation_value: Annotated[
        SkipJsonSchema[None], Refused("cpu and memory never make a workload active, and KEDA ignores it: leave it out")
    ] = Field(None, validation_alias="activationValue")

    @field_validator("value")
    @classmethod
    def _is_a_quantity(cls, value: str) -> str:
        if not 0 < (parse_quantity(value) or 0) <= _LARGEST:
            raise ValueError("expected a number or a quantity above 0, such as 50, 500m or 256Mi")
        return value

    def metric_type(self, declared: MetricType | None) -> MetricType:
        """Return Utilization or AverageValue, said in exactly one of two places."""
        if declared is not None and self.type is not None:
            raise ValueError("either metricType or type in the metadata, not both")
        meant = declared or (None if self.type is None else MetricType(self.type))
        if meant is None:
            raise ValueError("metricType (or type in the metadata): Utilization or AverageValue")
        if meant is MetricType.UTILIZATION and not (self.value.isdecimal() and int(self.value) <= _INT32_MAX):
            raise ValueError("a whole number of percent as value, since it is a Utilization")
        return meant

    def target(self) -> float:
        """Return percent, or cores or bytes per replica."""
        return float(parse_quantity(self.value) or Decimal(0))

    def activation(self) -> float:
        """Return 0: no use of a resource makes a workload active."""
        return 0

    def container(self) -> str | None:
        """Return `containerName`."""
        return self.container_name
