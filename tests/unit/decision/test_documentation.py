"""The page on decisions names what decisions say."""

from __future__ import annotations

from pathlib import Path

import pytest

from scaler.model import Reason, Rule

PAGE = (Path(__file__).parents[3] / "docs" / "decision.md").read_text()


@pytest.mark.parametrize("word", [*Rule, *Reason])
def test_every_rule_and_reason_is_documented(word: str) -> None:
    assert f"`{word}`" in PAGE
