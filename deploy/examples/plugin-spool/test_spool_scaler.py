"""The spool scaler keeps the promises of every scaler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from spool_scaler import SpoolScaler

from scaler.testing.scaler_contract import PushScalerContract


class TestSpoolScaler(PushScalerContract):
    scaler = SpoolScaler
    activation_parameter = "activationFiles"

    @pytest.fixture(autouse=True)
    def _spool(self, tmp_path: Path) -> None:
        self.root, self.away = tmp_path / "spool", tmp_path / "away"
        (self.root / "jobs").mkdir(parents=True)

    def parameters(self) -> dict[str, Any]:
        return {"root": str(self.root), "folder": "jobs"}

    def missing(self) -> dict[str, Any]:
        return {**self.parameters(), "folder": "nowhere"}

    def wrong_credentials(self) -> None:
        return None  # there are none

    async def set_backlog(self, items: int) -> None:
        folder = self.root / "jobs"
        for file in list(folder.iterdir())[items:]:
            file.unlink()
        for number in range(items - len(list(folder.iterdir()))):
            (folder / f"{number}-{items}").touch()

    async def backlog(self) -> int:
        return len(list((self.root / "jobs").iterdir()))

    async def break_source(self) -> None:
        self.root.rename(self.away)

    async def restore_source(self) -> None:
        self.away.rename(self.root)
