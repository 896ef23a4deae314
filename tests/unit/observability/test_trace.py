"""A recorded trace is what `simulate` reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from scaler import simulation
from scaler.model import Reading, Workload
from scaler.observability.trace import TraceRecorder


def test_what_was_recorded_is_replayed(tmp_path: Path, workload: Workload, record: Callable) -> None:
    path = tmp_path / "trace.jsonl"
    with TraceRecorder(path) as recorder:
        decision = record(recorder, workload)
    with TraceRecorder(path) as recorder:  # a restart appends
        recorder.read(workload, "redis-0", Reading.failed("down"), duration_s=1)
        recorder.decided(workload, decision, duration_s=0)
        recorder.read(workload, "redis-0", Reading(float("nan"), active=True), duration_s=1)
        recorder.decided(workload, decision, duration_s=0)
    lines = path.read_text().splitlines()
    assert [json.loads(line)["readings"] for line in lines] == [
        {"redis-0": 80},
        {"redis-0": {"error": "down"}},
        {"redis-0": {"value": 0.0, "active": True}},
    ]
    other = '{"t": 0, "workload": "other", "readings": {"kafka-0": 1}}'
    steps = simulation.parse_trace([*lines, other], file="trace", triggers=["redis-0"], workload="worker")
    rows = list(simulation.simulate(workload, steps))
    assert [row.decision.desired for row in rows] == [10, 10, 10]
    assert rows[0].t == 1000.5
