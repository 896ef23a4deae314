"""`valueLocation` finds in JSON, YAML and Prometheus' text what KEDA's own code finds."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from scaler.ports.errors import SourceError
from scalers.metrics_api.documents import Format, value_in

MEASURED = Path(__file__).parent / "data" / "keda-metrics-api-values.jsonl.gz"
UPSTREAM = Path(__file__).parents[3] / "shared" / "conformance" / "table-keda-metrics-api-values.jsonl.gz"


def outcome(case: Mapping[str, Any]) -> float | None:
    """Return the value that we find, None where we refuse."""
    try:
        return value_in(case["body"].encode(), Format(case["format"]), case["valueLocation"])
    except SourceError:
        return None
    except ValueError:
        # A location that is refused before anything is read.
        assert case["format"] == Format.PROMETHEUS
        return None


def check(path: Path, record: Callable[[str, object], None]) -> None:
    with gzip.open(path, "rt") as lines:
        cases = [json.loads(line) for line in lines]
    counts: Counter[str] = Counter()
    for case in cases:
        assert outcome(case) == case.get("expected"), case
        counts["refused by both" if case["expected_error"] else "equal value"] += 1
    record("conformance", f"{path.name}: {len(cases)} recorded, {len(cases)} equal ({dict(counts)})")


def test_locations_find_what_keda_finds(record_property: Callable[[str, object], None]) -> None:
    check(MEASURED, record_property)


@pytest.mark.skipif(not UPSTREAM.is_file(), reason="the upstream tables lie beside the checkout only")
def test_locations_of_keda_s_own_tests_find_the_same(record_property: Callable[[str, object], None]) -> None:
    check(UPSTREAM, record_property)
