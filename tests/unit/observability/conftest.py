"""A workload and what is recorded of it."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, SecretStr

from scaler.model import (
    App,
    ConcurrencyPolicy,
    ConcurrencyWindows,
    Container,
    Decision,
    Endpoint,
    EnvVar,
    Ingress,
    Limit,
    MetricType,
    Reading,
    Reason,
    Replica,
    ReplicaState,
    Rule,
    ScalingPolicy,
    Trigger,
    TriggerOutcome,
    TriggerPolicy,
    Workload,
)
from scaler.ports.recorder import HoldOutcome, Recorder

SECRET = "hunter2-not-to-be-seen"  # noqa: S105 - looked for in every output


class Parameters(BaseModel):
    password: SecretStr = SecretStr(SECRET)


@pytest.fixture
def workload() -> Workload:
    trigger = TriggerPolicy(name="redis-0", type="redis", target=5)
    container = Container("main", "image", env=(EnvVar("PASSWORD", SecretStr(SECRET)),))
    return Workload(
        "worker", App((container,)), (Trigger(trigger, Parameters()),), ScalingPolicy((trigger,), max_replicas=10)
    )


@pytest.fixture
def shop() -> Workload:
    """An app that is reached over HTTP, scaled by its requests in flight."""
    trigger = TriggerPolicy(name="http-0", type="http", target=10, concurrency=ConcurrencyPolicy())
    app = App((Container("main", "image"),), ingress=Ingress(8080, external=True))
    return Workload("shop", app, (Trigger(trigger, Parameters()),), ScalingPolicy((trigger,), max_replicas=10))


def record_requests(recorder: Recorder, shop: Workload) -> None:
    """Record everything that the ingress tells of one app and its proxy."""
    windows = ConcurrencyWindows(stable=12.5, panic=40, panicking=True)
    outcome = TriggerOutcome("http-0", "http", 10, MetricType.AVERAGE_VALUE, 40, active=True, wants=4, windows=windows)
    replica = Replica("1", "shop--a-1", "shop", "a", ReplicaState.READY, 1001.0, endpoint=Endpoint("127.0.0.1", 40001))
    recorder.workload_added(shop)
    recorder.proxy_up(up=True)
    recorder.observed(shop, (replica,))
    recorder.decided(
        shop, Decision(1000.5, 1, 4, active=True, reason=Reason.TRIGGERS, triggers=(outcome,)), duration_s=0.00002
    )
    recorder.traffic(shop, held=3, in_flight=37)
    recorder.hold_ended(shop, held_s=0.3, outcome=HoldOutcome.RELEASED)
    recorder.hold_ended(shop, held_s=0, outcome=HoldOutcome.REFUSED)
    recorder.proxy_rejected((shop,), error="no such certificate")
    recorder.proxy_lost(requests=2)


def record_one_tick(recorder: Recorder, workload: Workload) -> Decision:
    """Record everything that happens in a tick that scales from zero to ten."""
    outcome = TriggerOutcome("redis-0", "redis", 5, MetricType.AVERAGE_VALUE, 80, active=True, wants=16)
    limit = Limit(Rule.MAX_REPLICAS, 16, 10)
    decision = Decision(
        1000.5, 0, 10, active=True, reason=Reason.ACTIVATED, triggers=(outcome,), limits=(limit,), next_change_at=1300.5
    )
    replicas = (
        Replica("1", "worker--a-1", "worker", "a", ReplicaState.READY, 1001.0),
        Replica("2", "worker--a-2", "worker", "a", ReplicaState.CRASHED, 1001.0, 3, "exit code 1"),
        Replica("3", "worker--a-3", "worker", "a", ReplicaState.STOPPING, 1001.0),
    )
    recorder.workload_added(workload)
    recorder.woke(workload, lateness_s=0.01, pushed=False)
    recorder.woke(workload, lateness_s=0, pushed=True)
    recorder.read(workload, "redis-0", Reading(80), duration_s=0.001)
    recorder.observed(workload, replicas)
    recorder.decided(workload, decision, duration_s=0.00002)
    recorder.actuated(workload, started=10, stopped=0, failed=1, duration_s=0.3, reaction_s=0.31)
    recorder.actuation_failed(workload, error="no such image")
    recorder.connections_open("redis", 1)
    recorder.configuration_reloaded(accepted=True)
    return decision


@pytest.fixture
def record() -> object:
    return record_one_tick


@pytest.fixture(name="record_requests")
def record_requests_fixture() -> object:
    return record_requests
