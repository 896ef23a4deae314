"""Reads a trace: one JSON object a line, each a moment with what the triggers reported."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from scaler.model import Reading, ReplicaSample, ReplicaState, SourceLocation
from scaler.ports.errors import InvalidTrace, Problem


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One moment of a trace.

    Attributes:
        t: Seconds; only differences between steps mean something.
        readings: What triggers reported, by name; one that is not here keeps its last reading. `changes_at` is in the
            seconds of `t`. A number in flight holds from that moment on, and a `mean` is that of the time up to it.
        replicas: How many replicas there are; None when they follow the decision.
        ready: How many of them are ready; None when that follows too.
    """

    t: float
    readings: Mapping[str, Reading]
    replicas: int | None = None
    ready: int | None = None


# Far beyond any metric, and such that sums over windows stay finite.
_LARGEST = 1e100
# A simulation holds every replica.
_MOST_REPLICAS = 1_000_000
_Finite = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-_LARGEST, le=_LARGEST)]
_Amount = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=_LARGEST)]
_Count = Annotated[int, Field(strict=True, ge=0, le=_MOST_REPLICAS)]


class _Sample(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    replica: Annotated[str, Field(strict=True)]
    state: ReplicaState
    usage: _Amount | None
    limit: _Amount | None = None
    running_s: _Amount | None = None
    settled_s: _Amount = 0.0
    window_s: _Amount = 0.0
    measured_s: _Amount = 0.0


class _Reading(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    value: _Finite | None = None
    active: Annotated[bool, Field(strict=True)] | None = None
    error: Annotated[str, Field(strict=True)] | None = None
    samples: tuple[_Sample, ...] | None = None
    changes_at: _Finite | None = None
    mean: _Amount | None = None

    @model_validator(mode="before")
    @classmethod
    def _number_is_a_value(cls, given: Any) -> Any:
        if isinstance(given, (int, float)) and not isinstance(given, bool):
            return {"value": given}
        if isinstance(given, dict) and sum(given.get(key) is not None for key in ("value", "error", "samples")) != 1:
            raise ValueError("a value, samples or an error, only one of them")
        if isinstance(given, dict) and given.get("mean") is not None and given.get("value") is None:
            raise ValueError("a value beside the mean")
        return given


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    t: _Finite
    workload: Annotated[str, Field(strict=True)] | None = None
    readings: dict[str, _Reading] = Field(default_factory=dict)
    replicas: _Count | None = None
    ready: _Count | None = None


def parse_trace(
    lines: Iterable[str], *, file: str, triggers: Collection[str], workload: str | None = None
) -> tuple[TraceStep, ...]:
    """Return the steps of a trace; blank lines count for nothing but the numbering.

    Args:
        lines: The text, line by line.
        file: Its name, for what is reported.
        triggers: The workload's trigger names.
        workload: Its name: a recorded trace holds the lines of all workloads, and those of others are passed over.

    Raises:
        InvalidTrace: With every problem of every line, or because there is no step at all.
    """
    problems: list[Problem] = []
    steps: list[TraceStep] = []
    latest: float | None = None
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        where = SourceLocation(file, number, 1)
        try:
            line = _Line.model_validate(json.loads(text))
        except ValidationError as error:
            problems += (_problem(where, details) for details in error.errors(include_url=False))
            continue
        except (ValueError, RecursionError) as error:
            problems.append(_not_json(where, text, error))
            continue
        if workload is not None and line.workload not in {None, workload}:
            continue
        if latest is not None and line.t < latest:
            problems.append(Problem(where, "t", f"{line.t:g}", f"at least {latest:g}, the moment before it"))
        latest = line.t if latest is None else max(latest, line.t)
        problems += _inconsistencies(where, line, triggers)
        steps.append(_step(line))
    if not steps and not problems:
        problems.append(Problem(SourceLocation(file, 1, 1), "", "no step", 'a line such as {"t": 0, "readings": {}}'))
    if problems:
        raise InvalidTrace(problems)
    return tuple(steps)


def _step(line: _Line) -> TraceStep:
    readings = {
        name: Reading(
            value=reading.value,
            active=reading.active,
            error=reading.error,
            changes_at=reading.changes_at,
            mean=reading.mean,
            samples=None
            if reading.samples is None
            else tuple(ReplicaSample(**dict(sample)) for sample in reading.samples),
        )
        for name, reading in line.readings.items()
    }
    return TraceStep(line.t, readings, line.replicas, line.ready)


def _inconsistencies(where: SourceLocation, line: _Line, triggers: Collection[str]) -> Iterable[Problem]:
    known = ", ".join(triggers) or "none, the workload has no trigger"
    for name in line.readings:
        if name not in triggers:
            close = get_close_matches(name, triggers, n=1)
            hint = f"did you mean {close[0]!r}?" if close else ""
            yield Problem(where, f"readings.{name}", repr(name), f"the name of a trigger: {known}", hint)
    if line.replicas is not None and line.ready is not None and line.ready > line.replicas:
        yield Problem(where, "ready", str(line.ready), f"at most the {line.replicas} replicas of the same line")


def _not_json(where: SourceLocation, text: str, error: Exception) -> Problem:
    hint = str(error)
    if isinstance(error, json.JSONDecodeError):
        where, hint = SourceLocation(where.file, where.line, error.colno), error.msg
    return Problem(where, "", _shortened(text.strip()), "a JSON object", hint)


def _problem(where: SourceLocation, details: Mapping[str, Any]) -> Problem:
    path = _path(details["loc"])
    if details["type"] == "missing":
        return Problem(where, path, "nothing", "a value")
    if details["type"] == "extra_forbidden":
        return Problem(where, path, "an unknown field", _known_fields(details["loc"]))
    if details["type"] == "value_error":
        return Problem(where, path, _shortened(json.dumps(details["input"])), str(details["ctx"]["error"]))
    expected = str(details["msg"]).removeprefix("Input should be ")
    if details["type"].startswith("model_"):
        expected = "a number or an object" if path else "a JSON object"
    return Problem(where, path, _shortened(json.dumps(details["input"])), expected)


def _known_fields(location: Sequence[str | int]) -> str:
    model = _Line if len(location) == 1 else _Reading
    return "one of " + ", ".join(model.model_fields)


def _path(location: Sequence[str | int]) -> str:
    return ".".join(str(part) for part in location)


def _shortened(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else text[:limit] + "..."
