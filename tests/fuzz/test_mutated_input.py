"""Broken manifests, traces and labels are refused clearly, crash nothing, and give no secret away.

A share of what `python -m benchmarks fuzz` runs, with a seed that stays.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.fuzz import campaign, checks, corpus, limits, tree
from scaler.manifest import Outside
from scaler.model import SourceLocation
from scaler.ports.errors import Problem

SEED = 6


@pytest.mark.parametrize(("run", "cases"), [(campaign.manifests, 100), (campaign.traces, 250), (campaign.labels, 150)])
def test_broken_input_is_refused_clearly(run: campaign.Run, cases: int) -> None:
    results = run(cases, SEED)
    assert results.broken == []
    assert results.outcomes.total() == cases
    # Neither is everything refused by its first character, nor does everything pass.
    assert set(results.outcomes) == {checks.ACCEPTED, checks.REFUSED}


def test_what_it_starts_from_is_good(tmp_path: Path) -> None:
    texts = [*corpus.manifests(), *(tree.write(documents) for documents in corpus.trees())]
    assert {checks.manifest(text, tmp_path, outside=Outside.OPTIONAL) for text in texts} == {checks.ACCEPTED}
    assert {checks.labels(labels) for labels in corpus.LABELS} == {checks.ACCEPTED}


@pytest.mark.parametrize(
    ("place", "found"),
    [
        (SourceLocation("m.yaml", 0, 1), "x"),
        (SourceLocation("m.yaml", 9, 1), "x"),
        (SourceLocation("other.yaml", 1, 1), "x"),
        (SourceLocation("m.yaml", 1, 1), ""),
        (SourceLocation("m.yaml", 1, 1), "x" * 10_000),
        (SourceLocation("m.yaml", 1, 1), checks.SECRET),
    ],
)
def test_an_unclear_problem_is_noticed(place: SourceLocation, found: str) -> None:
    with pytest.raises(checks.Broken):
        checks.check_problems([Problem(place, "a", found, "y")], "m.yaml", 3)


def endless() -> None:
    while True:
        pass


def test_what_does_not_end_is_broken_off() -> None:
    with pytest.raises(limits.TooMuch), limits.bounded(cpu_s=0.05):
        endless()


def test_what_takes_too_much_memory_is_noticed() -> None:
    with pytest.raises(limits.TooMuch), limits.bounded(memory_mib=50):
        assert len(bytearray(b"x") * (200 << 20)) > 0
