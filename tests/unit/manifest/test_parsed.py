"""Reading manifests again costs what was edited, and finds what reading them for the first time does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scaler.manifest import Manifests, Parsed, load
from scaler.manifest.located import Document
from scaler.manifest.yaml_documents import Flaw, parse
from scaler.ports.errors import InvalidManifest, Problem

if TYPE_CHECKING:
    from conftest import Loader


def read(manifests: Loader, file: Path, parsed: Parsed | None) -> Manifests | tuple[Problem, ...]:
    try:
        return load([file], scalers=manifests.scalers, environ={}, parsed=parsed)
    except InvalidManifest as error:
        return tuple(error.problems)


@pytest.fixture
def known() -> Parsed:
    parsed = Parsed()
    parsed.keep("a: 1\n", [(1, 1, "what it was parsed to")])
    return parsed


def test_a_text_that_is_known_is_not_parsed_again(known: Parsed) -> None:
    assert list(parse("m.yaml", "a: 1\n", known)) == [Document("m.yaml", 1, 1, "what it was parsed to")]


def test_a_text_that_was_not_there_the_last_time_is_forgotten(known: Parsed) -> None:
    known.begin()
    assert known.find("a: 1\n") is not None
    known.begin()
    assert known.find("a: 1\n") is not None
    known.begin()
    known.begin()
    assert known.find("a: 1\n") is None


def test_what_is_known_is_nobodys_to_change(known: Parsed) -> None:
    known.keep("b: []\n", [(1, 1, [])])
    [(_, _, first)] = known.find("b: []\n") or []
    first.append("changed")
    assert known.find("b: []\n") == [(1, 1, [])]


def test_a_text_with_a_flaw_is_read_again_and_the_flaw_found_again() -> None:
    parsed = Parsed()
    before = list(parse("m.yaml", "a: 1\na: 2\n", parsed))
    assert list(parse("m.yaml", "a: 1\na: 2\n", parsed)) == before
    assert any(isinstance(part, Flaw) for part in before)


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda text: text, id="nothing"),
        pytest.param(lambda text: f"# a line\n{text}", id="a-line-above"),
        pytest.param(lambda text: text.replace("name: second", "name: first"), id="a-name-twice"),
        pytest.param(lambda text: text.replace("queueName: jobs", "queue: jobs"), id="an-unknown-field"),
        pytest.param(lambda text: text + "---\n- broken\n", id="another-document"),
        pytest.param(lambda text: text.split("---\n")[1], id="one-document-less"),
    ],
)
def test_reading_again_finds_what_reading_for_the_first_time_finds(
    manifests: Loader, tmp_path: Path, edit: Callable[[str], str]
) -> None:
    """Positions of documents that moved, and checks across documents, included."""
    # The second has a warning, so that positions are seen where nothing is wrong.
    second = manifests.ruled(name="second").replace("properties:", "tags: {a: b}\nproperties:")
    text = manifests.ruled(name="first") + "---\n" + second
    file, parsed = tmp_path / "m.yaml", Parsed()
    file.write_text(text)
    first = read(manifests, file, parsed)
    assert isinstance(first, Manifests)
    assert first.warnings
    assert first == read(manifests, file, None)
    file.write_text(edit(text))
    again, anew = read(manifests, file, parsed), read(manifests, file, None)
    assert again == anew
    if isinstance(again, Manifests) and isinstance(anew, Manifests):
        assert [each.location for each in again.workloads] == [each.location for each in anew.workloads]
        assert [each.location for each in again.warnings] == [each.location for each in anew.warnings]
