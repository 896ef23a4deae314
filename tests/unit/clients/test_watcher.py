"""Watchers are told, or ended."""

from __future__ import annotations

import pytest

from scaler.clients.watcher import Watcher
from scaler.ports.errors import SourceUnavailable


async def test_tellings_in_between_are_one() -> None:
    watcher = Watcher()
    watcher.tell()
    watcher.tell()
    assert await watcher.wait()
    watcher.end(None)
    assert not await watcher.wait()


async def test_an_end_with_an_error_raises_one_of_its_own_that_says_as_much() -> None:
    watcher, error = Watcher(), SourceUnavailable("gone")
    error.logged = True
    watcher.end(error)
    with pytest.raises(SourceUnavailable, match="gone") as caught:
        await watcher.wait()
    assert caught.value is not error
    assert caught.value.logged
