"""Keeps the garbage collector from walking through thousands of workloads again and again."""

from __future__ import annotations

import gc

# All is looked at once so much has been added to it: an edit of one workload among a thousand is no reason to.
_ADDED = 0.25


class LongLived:
    """What lives until the next configuration, out of the garbage collector's way.

    A full collection looks at every object: with 10,000 workloads it holds up everything for most of a second.
    """

    def __init__(self) -> None:
        self._all = 0
        self._added = 0

    def set_aside(self) -> None:
        """Collect once, and take what lives now out of later collections.

        What was set aside before and is garbage by now is found as soon as there may be much of it.
        """
        anew = self._added >= _ADDED * self._all
        if anew:
            gc.unfreeze()
        gc.collect()
        alive = len(gc.get_objects())
        gc.freeze()
        if anew:
            self._all, self._added = alive, 0
        else:
            self._added += alive
