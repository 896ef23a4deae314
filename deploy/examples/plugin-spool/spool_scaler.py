"""Files in spool folders as an event source."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self

from pydantic import Field

from scaler.clients.batcher import Batcher
from scaler.model import Reading
from scaler.ports.connections import Connections
from scaler.ports.errors import SourceError, SourceRejected, SourceUnavailable
from scaler.ports.parameters import Integer, PositiveInteger
from scaler.ports.scaler import PushScaler, ScalerConfig

# How often a root's folders are looked at for new files while somebody waits for them.
WATCH_S = 0.05


class SpoolConfig(ScalerConfig):
    """Parameters of the `spool` trigger."""

    root: Path = Field(description="directory that holds the spool folders")
    folder: str = Field(pattern=r"^[^/]+$", description="name of the folder below it")
    files: PositiveInteger = Field(5, description="files that one replica carries")
    activation_files: Integer = Field(0, validation_alias="activationFiles", description="active above this number")

    def target(self) -> float:
        """Return the files that one replica carries."""
        return self.files

    def activation(self) -> float:
        """Return the number of files above which the trigger is active."""
        return self.activation_files


def count(root: Path, folders: Sequence[str]) -> list[int | SourceError]:
    """Count the files in each folder; one that cannot be counted is its own error and disturbs no other.

    Raises:
        SourceUnavailable: The root is gone, and all folders with it.
    """
    if not root.is_dir():
        raise SourceUnavailable(f"the spool {root} is not there")
    counts: list[int | SourceError] = []
    for folder in folders:
        try:
            counts.append(sum(1 for _ in (root / folder).iterdir()))
        except OSError as error:
            counts.append(SourceRejected(f"cannot list the folder {folder!r} of {root}: {error.strerror}"))
    return counts


class SpoolClient:
    """One root. However many triggers there are on its folders, one thread lists what they ask for together."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._closed = asyncio.Event()
        self._questions: Batcher[str, int] = Batcher(f"spool {root}", exchange=self._exchange, revive=self._revive)

    @classmethod
    @asynccontextmanager
    async def shared(cls, root: Path, connections: Connections) -> AsyncIterator[Self]:
        """Borrow the client of this root."""
        async with connections.shared("spool", root, lambda: cls._connect(root)) as client:
            yield client

    @classmethod
    @asynccontextmanager
    async def _connect(cls, root: Path) -> AsyncIterator[Self]:
        client = cls(root)
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(client._questions.serve(), name=f"spool {root}")
            try:
                yield client
            finally:
                client._closed.set()
                serving.cancel()

    async def files(self, folder: str) -> int:
        """Count the files in a folder, with the next batch."""
        return await self._questions.ask(folder)

    async def additions(self, folder: str) -> AsyncIterator[None]:
        """Yield whenever a folder holds more files than before, until the client is closed."""
        before: float = math.inf
        while not self._closed.is_set():
            now = await self.files(folder)
            if now > before:
                yield
            before = now
            with suppress(TimeoutError):
                async with asyncio.timeout(WATCH_S):
                    await self._closed.wait()

    async def _exchange(self, folders: Sequence[str]) -> Sequence[int | SourceError]:
        return await asyncio.to_thread(count, self._root, folders)

    async def _revive(self) -> None:
        await self._exchange(())


class SpoolScaler(PushScaler[SpoolConfig]):
    """Files in a spool folder."""

    type = "spool"
    Config = SpoolConfig

    def __init__(self, config: SpoolConfig, client: SpoolClient) -> None:
        self._folder = config.folder
        self._client = client

    @classmethod
    @asynccontextmanager
    async def open(cls, config: SpoolConfig, connections: Connections) -> AsyncIterator[Self]:
        """Borrow the root's client."""
        async with SpoolClient.shared(config.root, connections) as client:
            yield cls(config, client)

    async def read(self) -> Reading:
        """Count the files."""
        return Reading(value=float(await self._client.files(self._folder)))

    def wakeups(self) -> AsyncIterator[None]:
        """Yield when files were added."""
        return self._client.additions(self._folder)
