"""The contract of what survives a restart."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from scaler.model import DecisionState


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is kept of one workload.

    Attributes:
        state: The decision's memory.
        desired: The count that was last asked for.
        target: Of what (`Workload.target_name`); empty when that was not kept.
    """

    state: DecisionState
    desired: int
    target: str = ""


class StateStore(AbstractAsyncContextManager["StateStore"], Protocol):
    """Keeps decision state by workload name. Holds no secret."""

    async def load(self) -> Mapping[str, Remembered]:
        """Return everything kept. What cannot be read is set aside, reported, and treated as absent."""
        ...

    async def save(self, changed: Mapping[str, Remembered]) -> None:
        """Keep these, all or none; durable on return.

        Raises:
            OSError: The disk is full, or cannot be written.
        """
        ...

    async def forget(self, workload_name: str) -> None:
        """Drop a workload that is in no manifest any more and has no replica."""
        ...
