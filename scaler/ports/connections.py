"""Sharing of clients: however many triggers use a server with the same credentials, they use one client."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

T = TypeVar("T")


class Connections(Protocol):
    """Hands out shared clients."""

    def shared(
        self, kind: str, key: Hashable, connect: Callable[[], AbstractAsyncContextManager[T]]
    ) -> AbstractAsyncContextManager[T]:
        """Lend the client of `key`, entering `connect()` when nobody else has it and leaving it after the last user.

        Args:
            kind: The type of server, such as `redis`; a label of the connections gauge.
            key: Everything that makes two clients different: address, credentials, TLS. Never logged.
            connect: Makes the client. It must not need the server to be up: a client connects at first use and
                recovers by itself.

        Raises:
            SourceUnavailable: Inside the borrower's block, when the client crashed; another may be borrowed.
        """
        ...
