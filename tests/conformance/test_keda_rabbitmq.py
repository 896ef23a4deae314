"""What queues amount to, and which virtual host a path names, is what KEDA's own code says."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scalers.rabbitmq.address import split_path
from scalers.rabbitmq.config import RabbitMQConfig
from scalers.rabbitmq.values import combine, measure
from scalers.rabbitmq.vhost_queues import queue_state

UPSTREAM = Path(__file__).parents[3] / "shared" / "conformance"


def test_values_and_activity_are_keda_s(recorded: Callable[[str], list[dict[str, Any]]]) -> None:
    cases = recorded("keda-rabbitmq-http")
    assert len(cases) == 420
    for case in cases:
        metadata = {name: value for name, value in case["metadata"].items() if name != "hostFromEnv"}
        config = RabbitMQConfig.model_validate({**metadata, "host": "http://broker"})
        queues = [queue_state(queue) for queue in case["queues"]]
        state = combine(queues, config.operation) if config.use_regex else queues[0]
        reading = measure(
            state, config.measured_mode, config.activation(), exclude_unacknowledged=config.exclude_unacknowledged
        )
        assert reading.value is not None
        # What KEDA reports has three decimals, and nothing below 0.
        ours = (max(0, round(reading.value * 1000)), reading.active)
        assert ours == (case["expected_metric_milli"], case["expected_active"]), case


@pytest.mark.skipif(not UPSTREAM.is_dir(), reason="the upstream tables lie beside the checkout only")
def test_paths_mean_the_same() -> None:
    with gzip.open(UPSTREAM / "table-keda-rabbitmq-vhost.jsonl.gz", "rt") as lines:
        cases = [json.loads(line) for line in lines]
    assert len(cases) == 24
    for case in cases:
        prefix, vhost = split_path(case["path"], case["vhostName"])
        assert (prefix, f"/{vhost}") == (case["expected_path"], case["expected_vhost_path"]), case
