"""An event source in memory and its scaler: fast, pushes, and can be broken. It passes the contract suite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar, Self

from pydantic import Field, SecretStr

from scaler.model import Reading
from scaler.ports.connections import Connections
from scaler.ports.errors import SourceError, SourceRejected, SourceUnavailable
from scaler.ports.parameters import Integer, PositiveInteger
from scaler.ports.scaler import PushScaler, ScalerConfig

_NO_PASSWORD = SecretStr("")


class InMemorySource:
    """Queues with numbers of items, and a state: `broken` refuses at once, `frozen` never answers."""

    def __init__(self, *, password: str = "") -> None:
        self.password = password
        self.broken = False
        self.reads = 0
        self._backlogs: dict[str, float] = {}
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._changed: set[asyncio.Event] = set()

    def scaler(self, type_: str = "fake") -> type[FakeScaler]:
        """Return a scaler of that type which reads this source."""
        return type("BoundFakeScaler", (FakeScaler,), {"source": self, "type": type_, "__doc__": FakeScaler.__doc__})

    def set_backlog(self, queue: str, items: float) -> None:
        """Put that many items into a queue, waking its watchers when they are more than before."""
        more = items > self._backlogs.get(queue, 0)
        self._backlogs[queue] = items
        if more:
            self.tell()

    def break_(self) -> None:
        """Make every access fail."""
        self.broken = True
        self.tell()

    def restore(self) -> None:
        """End `break_()`."""
        self.broken = False

    def freeze(self) -> None:
        """Make every access wait."""
        self._thawed.clear()

    def thaw(self) -> None:
        """End `freeze()`."""
        self._thawed.set()

    async def count(self, queue: str, password: str) -> float:
        """Return a queue's items.

        Raises:
            SourceError: It is broken, the password is wrong, or there is no such queue.
        """
        self.reads += 1
        await asyncio.sleep(0)  # a real source never answers at once
        await self._thawed.wait()
        self._check(password)
        if queue not in self._backlogs:
            raise SourceRejected(f"there is no queue {queue!r}")
        return self._backlogs[queue]

    async def changes(self, password: str, closed: asyncio.Event) -> AsyncIterator[None]:
        """Yield after additions, until `closed` is set and `tell()` called; see `PushScaler.wakeups`."""
        changed = asyncio.Event()
        self._changed.add(changed)
        try:
            while True:
                self._check(password)
                await changed.wait()
                changed.clear()
                if closed.is_set():
                    return
                self._check(password)
                yield
        finally:
            self._changed.discard(changed)

    def _check(self, password: str) -> None:
        error: SourceError | None = None
        if self.broken:
            error = SourceUnavailable("the source is broken")
        elif password != self.password:
            error = SourceRejected("the source refuses these credentials")
        if error is not None:
            raise error

    def tell(self) -> None:
        """Let watchers look again."""
        for changed in self._changed:
            changed.set()


class FakeConfig(ScalerConfig):
    """Parameters of the fake trigger."""

    queue: str
    length: PositiveInteger = 5
    activation_length: Integer = Field(0, validation_alias="activationLength")
    password: SecretStr = Field(_NO_PASSWORD, json_schema_extra={"sources": "MEA"})

    def target(self) -> float:
        """Return the items that one replica carries."""
        return self.length

    def activation(self) -> float:
        """Return the number of items above which the trigger is active."""
        return self.activation_length


class FakeScaler(PushScaler[FakeConfig]):
    """Items in a queue in memory."""

    type = "fake"
    Config = FakeConfig
    source: ClassVar[InMemorySource]

    def __init__(self, config: FakeConfig, source: InMemorySource) -> None:
        self._config = config
        self._source = source
        self._closed = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, config: FakeConfig, connections: Connections) -> AsyncIterator[Self]:
        """Borrow the source as if it were a client."""

        @asynccontextmanager
        async def connect() -> AsyncIterator[InMemorySource]:
            yield cls.source

        async with connections.shared("fake", (id(cls.source), config.password), connect) as source:
            scaler = cls(config, source)
            try:
                yield scaler
            finally:
                scaler._closed.set()
                source.tell()

    async def read(self) -> Reading:
        """Count the queue's items."""
        return Reading(value=await self._source.count(self._config.queue, self._config.password.get_secret_value()))

    def wakeups(self) -> AsyncIterator[None]:
        """Yield after additions to any queue of the source."""
        return self._source.changes(self._config.password.get_secret_value(), self._closed)
