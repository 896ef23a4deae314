"""The engine's statistics of a container, with either version of cgroups."""

from __future__ import annotations

from typing import Any

import pytest

from scaler.actuators.docker.statistics import usage_of

READ = "2026-03-01T12:00:00.123456789Z"


def stats(memory: dict[str, Any], cpu_ns: int = 1_500_000_000) -> dict[str, Any]:
    return {"read": READ, "cpu_stats": {"cpu_usage": {"total_usage": cpu_ns}}, "memory_stats": memory}


@pytest.mark.parametrize(
    ("memory", "used"),
    [
        pytest.param({"usage": 900, "stats": {"inactive_file": 200, "file": 500}}, 700, id="v2"),
        pytest.param({"usage": 900, "stats": {"total_inactive_file": 300, "inactive_file": 1}}, 600, id="v1"),
        pytest.param({"usage": 900, "stats": {"inactive_file": 901}}, 900, id="more cache than use"),
        pytest.param({"usage": 900}, 900, id="no details"),
    ],
)
def test_memory_is_the_working_set(memory: dict[str, Any], used: int) -> None:
    usage = usage_of("c", stats(memory))
    assert usage is not None
    assert (usage.id, usage.cpu_s, usage.memory_bytes) == ("c", 1.5, used)
    assert usage.at_s % 1 == pytest.approx(0.123456, abs=1e-6)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(stats({}), id="no memory"),
        pytest.param(stats({"usage": 1}, cpu_ns=0), id="no cpu"),
        pytest.param({"read": "0001-01-01T00:00:00Z", "cpu_stats": {"cpu_usage": {}}, "memory_stats": {}}, id="zeros"),
        pytest.param({"read": "0001-01-01T00:00:00Z"}, id="nothing"),
    ],
)
def test_a_container_that_does_not_run_has_no_use(answer: dict[str, Any]) -> None:
    assert usage_of("c", answer) is None
