"""The management API of one server as one user: requests for JSON, and a pause after it has refused us."""

from __future__ import annotations

import asyncio
import base64
import json
from http import HTTPStatus
from typing import TypeVar

from pydantic import SecretStr

from scaler.backoff import Backoff
from scaler.clients.http import DEFAULT_TIMEOUT_S, HttpClient, HttpServer, Request
from scaler.clients.tls import Tls
from scaler.ports.errors import SourceRejected, SourceUnavailable
from scalers.rabbitmq.address import Address
from scalers.rabbitmq.errors import NoSuchQueue

T = TypeVar("T")

_REFUSES_US = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class ManagementApi:
    """Asks for JSON; a lost server is the HTTP client's business."""

    def __init__(self, server: HttpServer, http: HttpClient) -> None:
        self._source = f"rabbitmq at {server}"
        self._http = http
        self._pauses = Backoff(first_s=0.5, longest_s=10.0)
        self._paused_until = float("-inf")

    def __str__(self) -> str:
        return self._source

    async def get(self, target: str, expected: type[T], *, missing: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> T:
        """Return the JSON at a path.

        Args:
            target: Path and query, percent-encoded.
            expected: What the JSON is.
            missing: What is not there when the API says so.
            timeout_s: For the whole of it.

        Raises:
            SourceUnavailable: The API is lost, or answers with something else.
            NoSuchQueue: What is asked for is not there.
            SourceRejected: The API refuses us, or the question.
        """
        clock = asyncio.get_running_loop().time
        if clock() < self._paused_until:
            # The server logs each try.
            raise self._refusal()
        answer = await self._http.ask(Request(target, timeout_s=timeout_s))
        if answer.status in _REFUSES_US:
            self._paused_until = clock() + self._pauses.next_delay()
            raise self._refusal()
        self._pauses.reset()
        if answer.status == HTTPStatus.NOT_FOUND:
            raise NoSuchQueue(f"{self._source}: there is no {missing}")
        if answer.status == HTTPStatus.BAD_REQUEST:
            raise SourceRejected(f"{self._source}: HTTP status 400: queueName is no regular expression to the broker")
        answer.require_success(self._source)
        try:
            found = json.loads(answer.body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, expected):
            raise self.nonsense()
        return found

    def nonsense(self) -> SourceUnavailable:
        """Return what an answer of another kind means."""
        return SourceUnavailable(f"{self._source}: the answer is not that of a management API")

    def _refusal(self) -> SourceRejected:
        return SourceRejected(
            f"{self._source}: the user or the password is wrong, or the user may not use the management API"
        )


def management_server(address: Address, tls: Tls | None) -> HttpServer:
    """Return the management API of an address, with the credentials as HTTP takes them."""
    credentials = f"{address.username}:{address.password.get_secret_value()}"
    basic = SecretStr(f"Basic {base64.b64encode(credentials.encode()).decode()}")
    headers = (("Authorization", basic),) if address.username else ()
    return HttpServer(f"{address.scheme}://{address.location}", headers, tls)
