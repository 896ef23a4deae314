"""Keeps the garbage collector from walking through thousands of workloads again and again."""

from __future__ import annotations

import gc


def set_aside() -> None:
    """Collect once, and take what lives now out of later collections.

    A full collection looks at every object: with 10,000 workloads it holds up everything for most of a second, and
    they live until the next configuration anyway.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
