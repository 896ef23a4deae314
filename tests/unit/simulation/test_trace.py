"""What a trace may hold, and what is said about one that does not."""

from __future__ import annotations

import pytest

from scaler.model import Reading
from scaler.ports.errors import InvalidTrace
from scaler.simulation import TraceStep, parse_trace


def problems(*lines: str) -> list[str]:
    with pytest.raises(InvalidTrace) as caught:
        parse_trace(lines, file="trace.jsonl", triggers=["redis-0", "office"])
    return [str(problem) for problem in caught.value.problems]


def test_a_reading_is_a_number_an_object_or_an_error() -> None:
    steps = parse_trace(
        [
            '{"t": 0, "readings": {"redis-0": 40}}',
            "",
            '{"t": 12.5, "readings": {"redis-0": {"value": 1, "active": true}, "office": {"error": "down"}}}',
            '{"t": 12.5, "replicas": 3, "ready": 2}',
        ],
        file="trace.jsonl",
        triggers=["redis-0", "office"],
    )
    assert steps == (
        TraceStep(0.0, {"redis-0": Reading(40.0)}),
        TraceStep(12.5, {"redis-0": Reading(1.0, active=True), "office": Reading.failed("down")}),
        TraceStep(12.5, {}, replicas=3, ready=2),
    )


def test_all_problems_are_told_at_once_each_with_its_line() -> None:
    found = problems(
        '{"t": 5, "readings": {"redis-1": 3}}',
        '{"t": 1}',
        "not json",
        '{"t": NaN, "readings": {"redis-0": 1e999}}',
        '{"readings": [], "replica": 3}',
        '{"t": 6, "readings": {"redis-0": {"value": 1, "error": "x"}, "office": true}}',
        '{"t": 7, "replicas": 2, "ready": 3}',
        '{"t": 8, "replicas": -1}',
        "[]",
    )
    assert [problem.split(": ")[0] for problem in found] == [
        "trace.jsonl:1:1",
        "trace.jsonl:2:1",
        "trace.jsonl:3:1",
        "trace.jsonl:4:1",
        "trace.jsonl:4:1",
        "trace.jsonl:5:1",
        "trace.jsonl:5:1",
        "trace.jsonl:5:1",
        "trace.jsonl:6:1",
        "trace.jsonl:6:1",
        "trace.jsonl:7:1",
        "trace.jsonl:8:1",
        "trace.jsonl:9:1",
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param(
            '{"t": 0, "readings": {"redis-1": 3}}',
            "readings.redis-1: found 'redis-1', expected the name of a trigger: redis-0, office "
            "(did you mean 'redis-0'?)",
            id="misspelt-trigger",
        ),
        pytest.param(
            '{"t": 0, "reading": {}}',
            "reading: found an unknown field, expected one of t, workload, readings, replicas, ready",
            id="unknown-field",
        ),
        pytest.param('{"t": "0"}', 't: found "0", expected a valid number', id="text-for-a-time"),
        pytest.param('{"t": Infinity}', "t: found Infinity, expected a finite number", id="endless-time"),
        pytest.param('{"readings": {}}', "t: found nothing, expected a value", id="no-time"),
        pytest.param('{"t": 0, "replicas": 1.5}', "replicas: found 1.5, expected a valid integer", id="half-a-replica"),
        pytest.param(
            '{"t": 0, "readings": {"redis-0": {}}}',
            "readings.redis-0: found {}, expected a value, samples or an error, only one of them",
            id="empty-reading",
        ),
        pytest.param(
            '{"t": 0, "readings": {"redis-0": "many"}}',
            'readings.redis-0: found "many", expected a number or an object',
            id="text-for-a-value",
        ),
        pytest.param("3", "found 3, expected a JSON object", id="no-object"),
    ],
)
def test_a_problem_says_what_was_expected(line: str, said: str) -> None:
    assert problems(line) == [f"trace.jsonl:1:1: {said}"]


def test_broken_json_is_located() -> None:
    (found,) = problems('{"t": 0;}')
    assert found.startswith("trace.jsonl:1:8: ")


@pytest.mark.parametrize("line", ["[" * 100_000, '{"t": ' + "9" * 5000 + "}", '{"t": 1' + "0" * 400 + "}"])
def test_absurd_json_is_a_problem_and_no_crash(line: str) -> None:
    assert len(problems(line)) == 1


def test_a_trace_without_a_step_is_a_problem() -> None:
    assert len(problems("", "  ")) == 1


def test_lines_of_other_workloads_are_passed_over() -> None:
    lines = ['{"t": 9, "workload": "other", "readings": {"theirs": 1}}', '{"t": 0, "workload": "worker"}', '{"t": 1}']
    steps = parse_trace(lines, file="trace.jsonl", triggers=["redis-0"], workload="worker")
    assert [step.t for step in steps] == [0, 1]
