"""The http scaler keeps the promises of scalers on requests, whichever of its two metrics it counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scaler.testing.traffic_scaler_contract import TrafficScalerContract
from scalers.http.requests import HttpScaler


class TestHttpScaler(TrafficScalerContract):
    scaler = HttpScaler
    schema = Path(__file__).with_name("schemas") / "http.json"

    def parameters(self) -> dict[str, Any]:
        return {}


class TestHttpScalerByRate(TrafficScalerContract):
    scaler = HttpScaler

    def parameters(self) -> dict[str, Any]:
        return {"metric": "rate"}
