"""A small scaler, and loading manifests from text."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest
from pydantic import Field, SecretStr, model_validator

from scaler.manifest import Manifests, Outside, load
from scaler.model import MetricType, Reading, Workload
from scaler.ports.connections import Connections
from scaler.ports.errors import ConfigError, InvalidManifest, PluginBroken, Problem
from scaler.ports.scaler import Scaler, ScalerConfig


class QueueConfig(ScalerConfig):
    queue_name: str = Field(alias="queueName")
    queue_length: float = Field(default=5, gt=0, alias="queueLength")
    activation_queue_length: float = Field(default=0, alias="activationQueueLength")
    mode: str | None = Field(default=None, alias="mode", pattern="^(fifo|lifo)$")
    address: str | None = Field(default=None, alias="address", json_schema_extra={"sources": "MEA"})
    username: str | None = Field(default=None, alias="username", json_schema_extra={"sources": "EA"})
    password: SecretStr | None = Field(default=None, alias="password", json_schema_extra={"sources": "MEA"})
    pin: SecretStr | None = Field(default=None, alias="pin", json_schema_extra={"sources": "MA"}, max_length=4)
    key: SecretStr | None = Field(default=None, alias="key", json_schema_extra={"sources": "A"})

    @model_validator(mode="after")
    def _needs_an_address(self) -> Self:
        if self.address is None:
            raise ValueError("give address or addressFromEnv")
        return self

    def target(self) -> float:
        return self.queue_length

    def activation(self) -> float:
        return self.activation_queue_length


class QueueScaler(Scaler[QueueConfig]):
    """A queue."""

    type: ClassVar[str] = "queue"
    Config: ClassVar[type[ScalerConfig]] = QueueConfig

    @classmethod
    @asynccontextmanager
    async def open(cls, config: QueueConfig, connections: Connections) -> AsyncIterator[Self]:
        del config, connections
        yield cls()

    async def read(self) -> Reading:
        return Reading(value=0)


class ShareConfig(ScalerConfig):
    value: float = Field(alias="value")

    def target(self) -> float:
        return self.value

    def activation(self) -> float:
        return 0


class ShareScaler(QueueScaler):
    """A share of something."""

    type = "share"
    Config = ShareConfig
    metric_types = frozenset({MetricType.UTILIZATION, MetricType.AVERAGE_VALUE})


SCALERS: dict[str, type[Scaler[Any]] | ConfigError] = {
    "queue": QueueScaler,
    "share": ShareScaler,
    "rotten": PluginBroken("rotten", "rotten-scaler 1.0", "ImportError"),
}


class Loader:
    """Writes manifests into a folder and loads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ: dict[str, str] = {}
        self.scalers = dict(SCALERS)

    @staticmethod
    def app(
        scale: str = "{minReplicas: 1}",
        *,
        name: str = "worker",
        container: str = "",
        configuration: str = "{}",
        template: str = "",
    ) -> str:
        """Return a Container App; each part is YAML to put in, indented as its place needs."""
        return f"""\
name: {name}
properties:
  configuration: {configuration}
  template:
    containers:
    - image: busybox
      {container}
    scale: {scale}
    {template}
"""

    @classmethod
    def ruled(cls, custom: str = "", **parts: str) -> str:
        """Return a Container App with one custom rule, a good one unless it is given."""
        custom = custom or "{type: queue, metadata: {queueName: jobs, address: here}}"
        return cls.app(f"{{rules: [{{name: q, custom: {custom}}}]}}", **parts)

    @staticmethod
    def scaled_object(
        spec: str = "", *, name: str = "so", metadata: str = "", triggers: str = "", kind: str = "ContainerApp"
    ) -> str:
        """Return a ScaledObject, of the app `worker` unless another kind is given."""
        triggers = triggers or "[{type: queue, metadata: {queueName: jobs, address: here}}]"
        return f"""\
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {name}
  {metadata}
spec:
  scaleTargetRef: {{name: worker, kind: {kind}}}
  triggers: {triggers}
  {spec}
"""

    def load(self, *texts: str | bytes, strict: bool = False, outside: Outside = Outside.REQUIRED) -> Manifests:
        paths = []
        for index, text in enumerate(texts):
            path = self.folder / f"m{index}.yaml"
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
            paths.append(path)
        return load(paths, scalers=self.scalers, environ=self.environ, strict=strict, outside=outside)

    def one(self, *texts: str) -> Workload:
        (workload,) = self.load(*texts).workloads
        return workload

    def problems(self, *texts: str | bytes, strict: bool = False, outside: Outside = Outside.REQUIRED) -> list[Problem]:
        with pytest.raises(InvalidManifest) as caught:
            self.load(*texts, strict=strict, outside=outside)
        return list(caught.value.problems)

    def lines(self, *texts: str | bytes, outside: Outside = Outside.REQUIRED) -> list[str]:
        return [str(problem).replace(f"{self.folder}/", "") for problem in self.problems(*texts, outside=outside)]


@pytest.fixture
def manifests(tmp_path: Path) -> Loader:
    return Loader(tmp_path)
