"""What is set aside costs later collections nothing, and is not forgotten."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from scaler.engine.garbage import LongLived


class Ring:
    """Garbage, once nobody has it, that only a collection finds."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def nothing_stays_aside() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_a_little_more_is_no_reason_to_look_at_all_again() -> None:
    long_lived, ring = LongLived(), Ring()
    seen = weakref.ref(ring)
    long_lived.set_aside()
    del ring
    long_lived.set_aside()
    assert seen() is not None


def test_garbage_among_what_was_set_aside_is_found_once_much_was_added() -> None:
    long_lived, ring = LongLived(), Ring()
    seen = weakref.ref(ring)
    long_lived.set_aside()
    del ring
    more = [[number] for number in range(gc.get_freeze_count())]
    long_lived.set_aside()
    long_lived.set_aside()
    assert seen() is None
    assert more


def test_what_is_set_aside_is_in_no_later_collection() -> None:
    ring = Ring()
    LongLived().set_aside()
    assert not any(each is ring for each in gc.get_objects())
