"""The metrics API's scaler keeps its promises against a real HTTP service, in every format."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from scaler.testing.scaler_contract import ScalerContract
from scaler.testing.servers.metrics_endpoint import MetricsEndpoint, Page
from scalers.metrics_api.api import MetricsApiScaler

TOKEN = "open-sesame"  # noqa: S105 - of a server for one test

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def endpoint() -> Iterator[MetricsEndpoint]:
    with MetricsEndpoint.running() as running:
        yield running


class MetricsApiContract(ScalerContract):
    scaler = MetricsApiScaler
    schema = Path(__file__).with_name("schemas") / "metrics-api.json"
    activation_parameter = "activationTargetValue"
    format: ClassVar[str]
    location: ClassVar[str]
    document: ClassVar[str]

    @pytest.fixture(autouse=True)
    def _empty(self, endpoint: MetricsEndpoint) -> None:
        self.server = endpoint
        asyncio.run(self.set_backlog(0))

    def parameters(self) -> dict[str, Any]:
        return {
            "url": f"{self.server.url}/stats",
            "format": self.format,
            "valueLocation": self.location,
            "targetValue": "5",
            "timeout": "60000",
            "authMode": "bearer",
            "token": TOKEN,
        }

    def missing(self) -> dict[str, Any]:
        return {**self.parameters(), "url": f"{self.server.url}/nothing"}

    def wrong_credentials(self) -> dict[str, Any]:
        return {**self.parameters(), "token": "open-barley"}

    async def set_backlog(self, items: int) -> None:
        self._items = items
        needs = {"Authorization": f"Bearer {TOKEN}"}
        self.server.show("/stats", Page(self.document.replace("ITEMS", str(items)), needs=needs))

    async def backlog(self) -> int:
        return self._items

    async def break_source(self) -> None:
        self.server.stop()

    async def restore_source(self) -> None:
        self.server.start()

    async def freeze_source(self) -> None:
        self.server.freeze()

    async def thaw_source(self) -> None:
        self.server.thaw()


class TestJson(MetricsApiContract):
    format = "json"
    location = 'queues.#(name=="mail").waiting'
    document = '{"queues": [{"name": "fax", "waiting": 99}, {"name": "mail", "waiting": ITEMS}]}'


class TestYaml(MetricsApiContract):
    format = "yaml"
    location = "queues.mail.0"
    document = "queues:\n  mail: [ITEMS, 99]\n"


class TestXml(MetricsApiContract):
    format = "xml"
    location = "queues.queue.1"
    document = "<queues><queue>99</queue><queue>ITEMS</queue></queues>"


class TestPrometheusText(MetricsApiContract):
    format = "prometheus"
    location = 'waiting{queue="mail"}'
    document = '# TYPE waiting gauge\nwaiting{queue="fax"} 99\nwaiting{queue="mail",host="a"} ITEMS\n'


class TestEveryAddress(TestJson):
    def parameters(self) -> dict[str, Any]:
        return {**super().parameters(), "aggregateFromKubeServiceEndpoints": "true", "aggregationType": "sum"}
