"""What benchmarks ask of an event source under load: many queues, someone who fills them, a naive way to read them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, Protocol

from scaler.testing.servers.process import ServerProcess


class Queues(Protocol):
    """What a producer and its consumers do to the queues of a source."""

    async def put(self, number: int) -> None:
        """Add an item to a queue."""
        ...

    async def clear(self, number: int) -> None:
        """Take all items out of a queue."""
        ...


class LoadedSource(ABC):
    """A real server that holds as many queues as there are triggers.

    It can be handed to another process, but for `server`, which stays with who started it.
    """

    name: str

    def __init__(self, server: ServerProcess) -> None:
        self.server = server

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "server"}

    @classmethod
    @abstractmethod
    @contextmanager
    def running(cls, queues: int, *, pushing: bool = False) -> Iterator[LoadedSource]:
        """Start the server with that many queues, empty ones; if `pushing` one that tells of what comes, if it can."""
        raise NotImplementedError
        yield

    @abstractmethod
    def trigger(self, number: int) -> Mapping[str, object]:
        """Return the trigger of a queue, as a scale rule's `custom` has it."""

    @abstractmethod
    def queues(self) -> AbstractAsyncContextManager[Queues]:
        """Lend a producer's client."""

    @abstractmethod
    async def read_alone(self, number: int, interval_s: float) -> None:
        """Read a queue for ever with a client of its own: what a naive loop does."""

    @abstractmethod
    async def connections(self) -> int:
        """Return how many connections the server has, without the one that asks."""
