"""The cron scaler keeps its promises; its source is a clock, which the test sets, and a window is its backlog."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scaler.testing.scaler_contract import ScalerContract
from scalers.cron.window import CronScaler

REPLICAS = 4


class TestCronScaler(ScalerContract):
    """Nothing can break, and what has an end ends by itself: the promises of push are in tests/unit/scalers/cron."""

    scaler = CronScaler
    schema = Path(__file__).with_name("schemas") / "cron.json"
    can_fail = False
    backlogs = (REPLICAS, 0, REPLICAS, 0)

    now = datetime(2026, 3, 2, 7, 30, tzinfo=UTC)

    def wall(self) -> float:
        return self.now.timestamp()

    @asynccontextmanager
    async def open(self, parameters: Mapping[str, Any] | None = None) -> AsyncIterator[Any]:
        async with super().open(parameters) as scaler:
            scaler._wall = self.wall
            yield scaler

    def parameters(self) -> dict[str, Any]:
        return {"start": "0 8 * * *", "end": "0 18 * * *", "timezone": "UTC", "desiredReplicas": str(REPLICAS)}

    def wrong_credentials(self) -> None:
        return None

    async def set_backlog(self, items: int) -> None:
        self.now = self.now.replace(hour=12 if items else 20)

    async def backlog(self) -> int:
        return REPLICAS if self.now.hour == 12 else 0
