"""wrk, and what it prints, as numbers."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True, slots=True)
class Load:
    """What came of one run.

    Attributes:
        requests: All that were answered.
        failed: Those with another status than 2xx or 3xx, or that ended with an error.
        per_s: Requests per second.
        p50_ms: Median latency.
        p99_ms: The latency that 1 % exceeded.
    """

    requests: int
    failed: int
    per_s: float
    p50_ms: float
    p99_ms: float


def run(port: int, *, host: str, connections: int, seconds: int) -> Load:
    """Load one port of loopback with requests for a host."""
    printed = subprocess.run(
        [
            *("wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s", "--latency"),
            # In upper case, or wrk adds one of its own.
            *("--header", f"Host: {host}", f"http://127.0.0.1:{port}/"),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=seconds + 30,
    ).stdout
    failed = sum(int(number) for number in re.findall(r"Non-2xx or 3xx responses: (\d+)", printed))
    for errors in re.findall(r"Socket errors: (.*)", printed):
        failed += sum(int(number) for number in re.findall(r"\d+", errors))
    return Load(
        requests=int(_found(r"(\d+) requests in", printed)[0]),
        failed=failed,
        per_s=float(_found(r"Requests/sec:\s+([\d.]+)", printed)[0]),
        p50_ms=_milliseconds(_found(r"50%\s+([\d.]+)(\w+)", printed)),
        p99_ms=_milliseconds(_found(r"99%\s+([\d.]+)(\w+)", printed)),
    )


def _found(pattern: str, text: str) -> tuple[str, ...]:
    match = re.search(pattern, text)
    if match is None:
        raise ValueError(f"wrk printed no {pattern}:\n{text}")
    return match.groups()


def _milliseconds(parts: tuple[str, ...]) -> float:
    number, unit = parts
    return float(number) * _UNITS[unit]
