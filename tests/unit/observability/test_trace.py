"""A recorded trace is what `simulate` reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from scaler import simulation
from scaler.decision import decide, initial_state
from scaler.model import (
    ConcurrencyPolicy,
    MetricType,
    Reading,
    ReplicaCounts,
    ReplicaSample,
    ReplicaState,
    TriggerKind,
    TriggerPolicy,
    Workload,
)
from scaler.observability.trace import TraceRecorder
from scaler.ports.errors import ConfigError


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


def test_requests_in_flight_are_replayed_to_the_same_windows(tmp_path: Path, workload: Workload) -> None:
    """Moments that are no whole milliseconds and averages that are no short decimals, as real ones."""
    path = tmp_path / "trace.jsonl"
    http = TriggerPolicy("http", "http", 7.0, concurrency=ConcurrencyPolicy())
    policy = replace(workload.policy, triggers=(http,), min_replicas=0)
    app = replace(workload, policy=policy, triggers=(replace(workload.triggers[0], policy=http),))
    given = [Reading(0.0), *(Reading(float(number % 40), active=True, mean=number / 3) for number in range(120))]
    decisions, count, now = [], 0, 1_700_000_000.123456
    state = initial_state(now)
    with TraceRecorder(path) as recorder:
        for reading in given:
            recorder.read(app, "http", reading, duration_s=0)
            decision, state = decide(policy, state, {"http": reading}, ReplicaCounts.settled(count), now)
            recorder.decided(app, decision, duration_s=0)
            decisions.append(decision)
            count, now = decision.desired, now + 1 / 3
    lines = path.read_text().splitlines()
    steps = simulation.parse_trace(lines, file="trace", triggers=["http"], workload=app.name)
    rows = list(simulation.simulate(app, steps))
    assert [row.decision for row in rows] == decisions
    assert len({decision.desired for decision in decisions}) > 3


def test_samples_are_replayed_to_the_same_decision(tmp_path: Path, workload: Workload, record: Callable) -> None:
    path = tmp_path / "trace.jsonl"
    cpu = TriggerPolicy("redis-0", "cpu", 50.0, MetricType.UTILIZATION, kind=TriggerKind.RESOURCE, busy_start=True)
    policy = replace(workload.policy, triggers=(cpu,), min_replicas=1)
    measured = replace(workload, policy=policy, triggers=(replace(workload.triggers[0], policy=cpu),))
    ready = ReplicaSample("a", ReplicaState.READY, 0.12345678901, 0.1, 700.25, 650.125, 15.0625, 0.5)
    missing = ReplicaSample("b", ReplicaState.STARTING, None, 0.1)
    reading = Reading(samples=(ready, ready, missing))
    with TraceRecorder(path) as recorder:
        decided = record(recorder, workload)
        recorder.read(workload, "redis-0", reading, duration_s=0)
        recorder.decided(workload, decided, duration_s=0)
    lines = path.read_text().splitlines()[1:]
    (step,) = simulation.parse_trace(lines, file="trace", triggers=["redis-0"], workload="worker")
    assert step.readings == {"redis-0": reading}
    (row,) = simulation.simulate(measured, [step], replicas=2)
    expected, _ = decide(policy, initial_state(step.t), {"redis-0": reading}, ReplicaCounts.settled(2), step.t)
    assert row.decision == expected
    assert row.decision.triggers[0].value == 123


def test_what_a_schedule_says_of_its_end_is_replayed(tmp_path: Path, workload: Workload, record: Callable) -> None:
    path = tmp_path / "trace.jsonl"
    reading = Reading(3.0, active=True, changes_at=1100.0)
    with TraceRecorder(path) as recorder:
        decided = record(recorder, workload)
        recorder.read(workload, "redis-0", reading, duration_s=1)
        recorder.decided(workload, decided, duration_s=0)
    line = path.read_text().splitlines()[-1]
    (step,) = simulation.parse_trace([line], file="trace", triggers=["redis-0"], workload="worker")
    assert step.readings == {"redis-0": reading}
    for start in (0.0, 500.0):
        (row,) = simulation.simulate(workload, [step], start=start)
        assert row.next_change_at == 1100.0


def test_a_full_disk_ends_the_recording_with_one_line(workload: Workload, record: Callable) -> None:
    with capture_logs() as logs, TraceRecorder(Path("/dev/full")) as recorder:
        decision = record(recorder, workload)
        recorder.decided(workload, decision, duration_s=0)
    assert [entry["event"] for entry in logs] == ["trace_ended"]


def test_a_file_that_cannot_be_opened_is_a_clear_error(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match="no-folder/trace cannot be written"),
        TraceRecorder(tmp_path / "no-folder" / "trace"),
    ):
        pass
