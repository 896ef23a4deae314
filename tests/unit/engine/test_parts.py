"""A configuration from several places."""

from __future__ import annotations

from collections.abc import Sequence

from structlog.testing import capture_logs

from scaler.engine.parts import Parts
from scaler.model import App, Container, ForeignTarget, ScalingPolicy, Workload

TARGET = ForeignTarget("ComposeService", "shop/worker")


def workload(name: str, target: App | ForeignTarget | None = None) -> Workload:
    app = App((Container("main", image="x"),))
    return Workload(name=name, target=target or app, triggers=(), policy=ScalingPolicy())


async def test_places_change_on_their_own_and_the_first_wins() -> None:
    taken: list[list[str]] = []

    async def apply(workloads: Sequence[Workload]) -> None:
        taken.append([each.name for each in workloads])

    parts = Parts(apply, {"manifests": [workload("one"), workload("scaled", TARGET)]})
    with capture_logs() as logs:
        await parts.take("labels", [workload("shop.web"), workload("one")])
        await parts.take("labels", [workload("shop.web"), workload("one"), workload("shop.worker", TARGET)])
        await parts.take("manifests", [workload("two")])
    assert taken == [
        ["one", "scaled", "shop.web"],
        ["one", "scaled", "shop.web"],
        ["two", "shop.web", "one", "shop.worker"],
    ]
    assert [(each["event"], each["workload"]) for each in logs] == [
        ("workload_ignored", "one"),
        ("workload_ignored", "shop.worker"),
    ]
