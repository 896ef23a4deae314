"""Answers of a Prometheus mean what KEDA's own code makes of them."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from scaler.engine.connections import SharedConnections
from scaler.ports.errors import SourceError
from scalers.prometheus.query import PrometheusConfig, PrometheusScaler

MEASURED = Path(__file__).parent / "data" / "keda-prometheus-results.jsonl.gz"
UPSTREAM = Path(__file__).parents[3] / "shared" / "conformance" / "table-keda-prometheus-results.jsonl.gz"


async def outcome(case: Mapping[str, Any]) -> float | type[SourceError]:
    """Return what our scaler reads where a server answers so."""

    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(status=case["status"], text=case["body"])

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        parameters = {
            "serverAddress": f"http://127.0.0.1:{runner.addresses[0][1]}",
            "query": "x",
            "threshold": "1",
            "ignoreNullValues": str(case["ignoreNullValues"]),
        }
        config = PrometheusConfig.model_validate(parameters)
        async with SharedConnections() as connections, PrometheusScaler.open(config, connections) as scaler:
            try:
                value = (await scaler.read()).value
            except SourceError as error:
                return type(error)
            assert value is not None
            return value
    finally:
        await runner.cleanup()


async def check(path: Path, record: Callable[[str, object], None]) -> None:
    with gzip.open(path, "rt") as lines:
        cases = [json.loads(line) for line in lines]
    counts: Counter[str] = Counter()
    for case in cases:
        ours = await outcome(case)
        if case["expected_error"]:
            assert isinstance(ours, type), (case, ours)
            counts["refused by both"] += 1
        else:
            assert ours == case["expected"], (case, ours)
            counts["equal value"] += 1
    record("conformance", f"{path.name}: {len(cases)} recorded, {len(cases)} equal ({dict(counts)})")


async def test_answers_mean_what_keda_makes_of_them(record_property: Callable[[str, object], None]) -> None:
    await check(MEASURED, record_property)


@pytest.mark.skipif(not UPSTREAM.is_file(), reason="the upstream tables lie beside the checkout only")
async def test_answers_of_keda_s_own_tests_mean_the_same(record_property: Callable[[str, object], None]) -> None:
    await check(UPSTREAM, record_property)
