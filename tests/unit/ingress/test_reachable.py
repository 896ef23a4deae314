"""An app that nobody can reach is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from scaler.ingress.ingress import Ingress as WholeIngress
from scaler.ingress.settings import IngressSettings, Listen
from scaler.model import App, Container, Ingress, ScalingPolicy, Workload
from scaler.ports.recorder import Recorder


@pytest.mark.parametrize(
    ("external", "internal", "told"),
    [
        pytest.param(False, (), ["app"], id="for other apps, which have no way"),
        pytest.param(False, (Listen("127.0.0.1", 8481),), [], id="for other apps"),
        pytest.param(True, (), [], id="for all"),
    ],
)
async def test_an_app_without_a_way_to_it_is_told(
    tmp_path: Path, *, external: bool, internal: tuple[Listen, ...], told: list[str]
) -> None:
    app = App((Container("main", "image"),), ingress=Ingress(8080, external=external))
    settings = IngressSettings(internal=internal, external_envoy=True)
    with capture_logs() as logs:
        async with WholeIngress(settings, tmp_path / "ingress", Recorder()) as ingress:
            ingress.workload_added(Workload("app", app, (), ScalingPolicy()))
            await asyncio.sleep(0)
    assert [entry["workload"] for entry in logs if entry["event"] == "app_not_reachable"] == told
