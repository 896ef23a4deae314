"""The fake keeps the promises that real scalers keep."""

from __future__ import annotations

from typing import Any

import pytest

from scaler.testing.scaler_contract import PushScalerContract
from scaler.testing.scalers import FakeScaler, InMemorySource

PASSWORD = "open-sesame"  # noqa: S105 - of the fake


class TestFakeScaler(PushScalerContract):
    activation_parameter = "activationLength"

    @pytest.fixture(autouse=True)
    def _source(self) -> None:
        self.source = InMemorySource(password=PASSWORD)
        self.source.set_backlog("jobs", 0)

    @property
    def scaler(self) -> type[FakeScaler]:
        return self.source.scaler()

    def parameters(self) -> dict[str, Any]:
        return {"queue": "jobs", "password": PASSWORD}

    def missing(self) -> dict[str, Any]:
        return {**self.parameters(), "queue": "other"}

    def wrong_credentials(self) -> dict[str, Any]:
        return {**self.parameters(), "password": "open-barley"}

    async def set_backlog(self, items: int) -> None:
        self.source.set_backlog("jobs", items)

    async def backlog(self) -> int:
        return int(await self.source.count("jobs", PASSWORD))

    async def break_source(self) -> None:
        self.source.break_()

    async def restore_source(self) -> None:
        self.source.restore()

    async def freeze_source(self) -> None:
        self.source.freeze()

    async def thaw_source(self) -> None:
        self.source.thaw()
