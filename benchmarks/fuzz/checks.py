"""What holds for any input: it is taken, or refused by clear problems; it crashes nothing and gives no secret away."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from scaler import simulation
from scaler.engine import plugins
from scaler.manifest import Outside, load
from scaler.manifest.compose.labels import LabelledService, read_labels
from scaler.model import Reading, ReplicaSample, ReplicaState, Workload
from scaler.ports.errors import InvalidManifest, InvalidTrace, Problem
from scaler.simulation.trace import TraceStep

# In the environment, in a file, and in a container's environment: wherever values come from.
SECRET = "fuzz-s3cr3t-marker"  # noqa: S105 - looked for in every text
ENVIRONMENT = {"FUZZ_SECRET": SECRET, "REDIS_PASSWORD": SECRET, "PASSWORD": SECRET, "HOST": f"http://u:{SECRET}@h"}
ACCEPTED, REFUSED = "accepted", "refused"
_LONGEST_PROBLEM = 6000
_MOST_SIMULATED = 4
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
SCALERS = plugins.discover()


class Broken(Exception):
    """A promise that does not hold for an input."""


def manifest(content: bytes, folder: Path, *, outside: Outside = Outside.REQUIRED) -> str:
    """Load a manifest; return what became of it.

    Raises:
        Broken: A problem is unclear, or gives a secret away. Any other exception is a crash.
    """
    (folder / "secret").write_text(SECRET)
    path = folder / "manifest.yaml"
    path.write_bytes(content)
    try:
        loaded = load([path], scalers=SCALERS, environ=ENVIRONMENT, outside=outside)
    except InvalidManifest as invalid:
        if not any(not problem.warning for problem in invalid.problems):
            raise Broken("refused for nothing") from invalid
        check_problems(invalid.problems, str(path), content.count(b"\n") + content.count(b"\r") + 1)
        return REFUSED
    check_problems(loaded.warnings, str(path), content.count(b"\n") + content.count(b"\r") + 1)
    _no_secret(repr(loaded), "what was loaded")
    for workload in loaded.workloads[:_MOST_SIMULATED]:
        _decide(workload)
    return ACCEPTED


def labels(given: Mapping[str, str]) -> str:
    """Read a compose service's labels; return what became of them.

    Raises:
        Broken: A problem is unclear, or gives a secret away.
    """
    (scaling,) = read_labels([LabelledService("shop", "worker", given, ENVIRONMENT)], SCALERS)
    check_problems(scaling.problems, "compose service shop/worker", None)
    _no_secret(repr(scaling), "what was read")
    if scaling.workload is None:
        if all(problem.warning for problem in scaling.problems):
            raise Broken("refused for nothing")
        return REFUSED
    _decide(scaling.workload)
    return ACCEPTED


def trace(text: str, workload: Workload) -> str:
    """Parse a trace and replay it; return what became of it.

    Raises:
        Broken: A problem is unclear, or a decision is none.
    """
    triggers = [trigger.name for trigger in workload.triggers]
    lines = text.splitlines()
    try:
        steps = simulation.parse_trace(lines, file="trace.jsonl", triggers=triggers, workload=workload.name)
    except InvalidTrace as invalid:
        check_problems(invalid.problems, "trace.jsonl", len(lines) + 1)
        return REFUSED
    _check_rows(workload, steps)
    return ACCEPTED


def check_problems(problems: Iterable[Problem], file: str, lines: int | None) -> None:
    """See that each says where and what, on one line, and shows no secret.

    Args:
        problems: What was said.
        file: Where it has to be.
        lines: How many the file has; None where there are no lines.

    Raises:
        Broken: One does not.
    """
    for problem in problems:
        text, place = str(problem), problem.location
        if place.file != file or (lines is not None and not (1 <= place.line <= lines and place.column >= 1)):
            raise Broken(f"a problem without a place: {text[:300]!r}")
        if not problem.found or not problem.expected:
            raise Broken(f"a problem that does not say what is wrong: {text[:300]!r}")
        if control := _CONTROL.search(text):
            raise Broken(f"a problem with the control character {control[0]!r}: {text[:300]!r}")
        if len(text) > _LONGEST_PROBLEM:
            raise Broken(f"a problem of {len(text)} characters: {text[:300]!r}")
        _no_secret(text, "a problem")


def _no_secret(text: str, where: str) -> None:
    if SECRET in text:
        at = text.index(SECRET)
        raise Broken(f"a secret in {where}: {text[max(0, at - 200) : at + 30]!r}")


def _decide(workload: Workload) -> None:
    """Take some decisions: what was accepted must be of use."""
    said: Sequence[float | None] = (0.0, 7.0, 1e12, None, 0.0)
    names = [trigger.name for trigger in workload.triggers]
    steps = [
        TraceStep(10.0 * number, {name: _reading(workload, name, value) for name in names})
        for number, value in enumerate(said)
    ]
    _check_rows(workload, steps)


def _reading(workload: Workload, name: str, value: float | None) -> Reading:
    if value is None:
        return Reading.failed("out of order")
    if next(trigger.type for trigger in workload.triggers if trigger.name == name) in {"cpu", "memory"}:
        return Reading(samples=(ReplicaSample("r", ReplicaState.READY, value, 1.0, 100.0, 100.0),))
    return Reading(value)


def _check_rows(workload: Workload, steps: Sequence[TraceStep]) -> None:
    for row in simulation.simulate(workload, steps):
        json.dumps(row.as_json())
        desired = row.decision.desired
        if not isinstance(desired, int) or desired < 0 or not math.isfinite(row.t):
            raise Broken(f"a decision for {desired!r} replicas at {row.t!r}")
