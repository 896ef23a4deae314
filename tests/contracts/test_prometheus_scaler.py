"""The Prometheus scaler keeps its promises against a real Prometheus."""

from __future__ import annotations

import asyncio
import json
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from scaler.ports.errors import SourceError
from scaler.testing.driving import DEADLINE_S
from scaler.testing.scaler_contract import ScalerContract
from scaler.testing.servers.prometheus import PrometheusServer
from scalers.prometheus.query import PrometheusScaler

# bcrypt of the password, as Prometheus wants it.
PASSWORD = "open-sesame"  # noqa: S105 - of a server for one test
HASH = "$2b$04$abcdefghijklmnopqrstuuXcjcm5avyCiJoD2uS24xa2lb6fjMB3G"

pytestmark = pytest.mark.services


class TestPrometheus(ScalerContract):
    scaler = PrometheusScaler
    schema = Path(__file__).with_name("schemas") / "prometheus.json"
    activation_parameter = "activationThreshold"
    missing_is: ClassVar[float | type[SourceError]] = 0.0

    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        with PrometheusServer.running(web={"basic_auth_users": {"worker": HASH}}) as self.server:
            asyncio.run(self.set_backlog(0))
            yield

    def parameters(self) -> dict[str, Any]:
        return {
            "serverAddress": self.server.url,
            "query": "sum(jobs_waiting)",
            "threshold": "5",
            "timeout": "60000",
            "authModes": "basic",
            "username": "worker",
            "password": PASSWORD,
        }

    def missing(self) -> dict[str, Any]:
        return {**self.parameters(), "query": "sum(nothing_of_that_name)"}

    def wrong_credentials(self) -> dict[str, Any]:
        return {**self.parameters(), "password": "open-barley"}

    async def set_backlog(self, items: int) -> None:
        """Record it, and wait until it was."""
        self.server.record("jobs_waiting", f"vector({items})")
        async with asyncio.timeout(DEADLINE_S):
            while await self.backlog() != items:
                await asyncio.sleep(0.05)

    async def backlog(self) -> int:
        return await asyncio.to_thread(self._ask)

    def _ask(self) -> int:
        query = urllib.parse.urlencode({"query": "sum(jobs_waiting)"})
        request = urllib.request.Request(f"{self.server.url}/api/v1/query?{query}")  # noqa: S310 - loopback
        passwords = urllib.request.HTTPPasswordMgrWithPriorAuth()
        passwords.add_password(None, self.server.url, "worker", PASSWORD, is_authenticated=True)
        opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(passwords))
        with opener.open(request, timeout=DEADLINE_S) as response:
            result = json.load(response)["data"]["result"]
        return int(result[0]["value"][1]) if result else -1

    async def break_source(self) -> None:
        self.server.stop()

    async def restore_source(self) -> None:
        self.server.start()

    async def freeze_source(self) -> None:
        self.server.freeze()

    async def thaw_source(self) -> None:
        self.server.thaw()
