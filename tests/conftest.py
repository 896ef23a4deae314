"""The order of files: those that wait longest come first, so that no worker is left alone with one at the end."""

from __future__ import annotations

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the order, which is random, but for `e2e`."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)
