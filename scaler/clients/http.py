"""HTTP servers that are read: one session per server and credentials, and equal requests sent once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Self

import aiohttp
from pydantic import SecretStr
from yarl import URL

from scaler.clients.batcher import GATHER_S
from scaler.clients.http_connection import OneAddress, connection_failure
from scaler.clients.outage import Outage
from scaler.clients.tls import Tls
from scaler.ports.connections import Connections
from scaler.ports.errors import SourceError, SourceRejected, SourceUnavailable

# KEDA's default (KEDA_HTTP_DEFAULT_TIMEOUT).
DEFAULT_TIMEOUT_S = 3.0
# However many triggers ask a server, it sees no more connections than this.
MAX_CONNECTIONS = 4
# Requests that failed while others were answered may use so many of them, so that they do not keep others waiting.
_DOUBTFUL_CONNECTIONS = 2
_MOST_DOUBTFUL = 1000
MAX_ANSWER_BYTES = 32 * 1024 * 1024
_TRANSIENT_STATUS = frozenset({408, 425, 429})
_SERVER_ERRORS = range(500, 600)
_SUCCESS = range(200, 300)
_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class HttpServer:
    """One server, asked as one client: triggers for which these are equal share its connections.

    Attributes:
        origin: Scheme, host and port, such as `https://metrics:9090`; no credentials in it.
        headers: Sent with every request, such as `Authorization`; values are secret.
        tls: For https; None trusts the system's certificates.
        address: The one IP address to connect to, of those that the host's name has; None leaves it to the system.
    """

    origin: str
    headers: tuple[tuple[str, SecretStr], ...] = ()
    tls: Tls | None = None
    address: str | None = None

    def __str__(self) -> str:
        return f"{self.origin} ({self.address})" if self.address else self.origin


@dataclass(frozen=True, slots=True)
class Request:
    """A GET, or a POST of a form that changes nothing, such as for a token.

    Attributes:
        target: Path and query, percent-encoded as they are to be sent; may hold secrets, so it is never shown.
        headers: Besides the server's own; values are secret.
        timeout_s: For the whole of it, from when one of the connections is free for it.
        max_bytes: A larger answer is refused.
        form: What to POST, URL-encoded; may hold secrets. None makes it a GET.
    """

    target: str = field(repr=False)
    headers: tuple[tuple[str, SecretStr], ...] = ()
    timeout_s: float = DEFAULT_TIMEOUT_S
    max_bytes: int = MAX_ANSWER_BYTES
    form: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said, whatever the status.

    Attributes:
        status: HTTP status code.
        body: As it came, decompressed.
    """

    status: int
    body: bytes

    def require_success(self, source: object) -> Self:
        """Return it if its status is 2xx.

        Args:
            source: Who answered, as text: free of secrets.

        Raises:
            SourceUnavailable: The status is 408, 425, 429 or 5xx.
            SourceRejected: It is another.
        """
        if self.status in _TRANSIENT_STATUS or self.status in _SERVER_ERRORS:
            raise SourceUnavailable(f"{source}: HTTP status {self.status}")
        if self.status not in _SUCCESS:
            raise SourceRejected(f"{source}: HTTP status {self.status}")
        return self


class HttpClient:
    """Sends requests to one server; equal ones that come together are sent once.

    A server is lost when nobody can connect to it, or when it left a request without an answer and has answered none
    since that was sent: every request fails at once then, while one loop tries again, with several requests in turn. A
    request that alone gets no answer fails alone, and waits for its connection with its like. Redirects are not
    followed, as they would take credentials along.
    """

    def __init__(self, server: HttpServer, session: aiohttp.ClientSession) -> None:
        self._server = server
        self._session = session
        self._outage = Outage(server)
        self._gathering: dict[Request, asyncio.Future[Answer | SourceError]] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._free_connections = asyncio.Semaphore(MAX_CONNECTIONS)
        self._free_for_doubtful = asyncio.Semaphore(_DOUBTFUL_CONNECTIONS)
        self._doubtful: set[Request] = set()
        # For signs of life: what was left without an answer, what had one last, and what else is wanted.
        self._unanswered = Request("/")
        self._answered: Request | None = None
        self._wanted: Request | None = None
        self._tries = 0
        self._answered_at = 0.0
        self._closed = False

    @classmethod
    def shared(cls, kind: str, server: HttpServer, connections: Connections) -> AbstractAsyncContextManager[Self]:
        """Borrow the client of this server and these credentials; `kind` names it in metrics."""
        return connections.shared(kind, server, lambda: cls.connect(server))

    @classmethod
    @asynccontextmanager
    async def connect(cls, server: HttpServer) -> AsyncIterator[Self]:
        """Make a client; it connects at first use."""
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=MAX_CONNECTIONS,
                ssl=server.tls.context() if server.tls else True,
                resolver=OneAddress(server.address) if server.address else None,
            ),
            headers={name: value.get_secret_value() for name, value in server.headers},
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        async with session:
            client = cls(server, session)
            watching = asyncio.create_task(client._outage.watch(client._revive), name=f"{server}: outage")
            try:
                yield client
            finally:
                tasks = {watching, *client._sending}
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
                client._close()

    async def get(
        self, target: str, *, headers: Mapping[str, SecretStr] | None = None, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> Answer:
        """Return what the server answers with a status 2xx.

        Args:
            target: Path and query, percent-encoded as they are to be sent.
            headers: Besides those of the server.
            timeout_s: For the whole of it.

        Raises:
            SourceUnavailable: It is lost, took too long, or answered with 408, 425, 429 or 5xx.
            SourceRejected: It answered with another status, its certificate is not trusted, its answer is too large.
        """
        answer = await self.ask(Request(target, tuple((headers or {}).items()), timeout_s))
        return answer.require_success(self._server)

    async def ask(self, request: Request) -> Answer:
        """Return what the server answers, whatever the status.

        Raises:
            SourceUnavailable: It is lost, or took too long.
            SourceRejected: Its certificate is not trusted, or its answer is too large.
        """
        if self._closed:
            raise self._closing()
        if self._outage.lost and request != self._unanswered:
            self._wanted = request
        self._outage.raise_if_lost()
        outcome = self._gathering.get(request)
        if outcome is None:
            outcome = self._gathering[request] = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(self._send(request, outcome), name=f"{self._server}: request")
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        # Shielded: who stops waiting takes nothing from the others.
        answer = await asyncio.shield(outcome)
        if isinstance(answer, SourceError):
            raise answer.again()
        return answer

    async def _send(self, request: Request, outcome: asyncio.Future[Answer | SourceError]) -> None:
        """Send once, for all who asked until then."""
        answer: Answer | SourceError = self._closing()
        try:
            await asyncio.sleep(GATHER_S)
            # A queue of ours is no slowness of the server's, and whoever asks the same meanwhile need not queue.
            doubtful = self._free_for_doubtful if request in self._doubtful else nullcontext()
            async with doubtful, self._free_connections:
                self._gathering.pop(request)
                self._outage.raise_if_lost()
                answer = await self._exchange(request)
        except SourceError as error:
            answer = error
        finally:
            outcome.set_result(answer)

    def _closing(self) -> SourceError:
        return SourceUnavailable(f"{self._server}: the client was closed")

    def _close(self) -> None:
        """Tell those whose request was never begun."""
        self._closed = True
        for outcome in self._gathering.values():
            if not outcome.done():
                outcome.set_result(self._closing())

    async def _revive(self) -> None:
        """Take any answer as a sign of life. One request may never get one while others would."""
        self._tries += 1
        request = (self._answered if self._tries % 2 else self._wanted) or self._unanswered
        await self._exchange(request)
        if request != self._unanswered:
            self._doubt(self._unanswered)

    async def _exchange(self, request: Request) -> Answer:
        clock = asyncio.get_running_loop().time
        sent_at = clock()
        try:
            answer = await self._round_trip(request)
        except TimeoutError as error:
            late = SourceUnavailable(f"{self._server}: no answer within {request.timeout_s:g} s")
            self._leave_unanswered(request, late, sent_at)
            raise late from error
        except aiohttp.ClientConnectionError as error:
            lost = connection_failure(self._server, error)
            # What nobody can connect to, answers nobody.
            self._leave_unanswered(request, lost, None if isinstance(error, aiohttp.ClientConnectorError) else sent_at)
            raise lost from error
        except UnicodeError as error:
            unknown = SourceRejected(f"{self._server}: no server can have this name")
            self._leave_unanswered(request, unknown, None)
            raise unknown from error
        except aiohttp.ClientError as error:
            # Its text may quote the address, which may hold secrets.
            raise SourceUnavailable(f"{self._server}: no proper HTTP ({type(error).__name__})") from error
        self._answered, self._answered_at = request, clock()
        self._doubtful.discard(request)
        return answer

    async def _round_trip(self, request: Request) -> Answer:
        headers = {name: value.get_secret_value() for name, value in request.headers}
        if request.form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        async with self._session.request(
            "GET" if request.form is None else "POST",
            URL(self._server.origin + request.target, encoded=True),
            headers=headers,
            data=request.form.get_secret_value() if request.form else None,
            timeout=aiohttp.ClientTimeout(total=request.timeout_s),
            allow_redirects=False,
        ) as response:
            body = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                body += chunk
                if len(body) > request.max_bytes:
                    raise SourceRejected(f"{self._server}: the answer is larger than {request.max_bytes >> 10} KiB")
            return Answer(response.status, bytes(body))

    def _leave_unanswered(self, request: Request, error: SourceError, sent_at: float | None) -> None:
        """Find out whether it is the server that is lost, or this request alone."""
        if sent_at is not None and (request in self._doubtful or self._answered_at >= sent_at):
            self._doubt(request)
        elif not self._outage.lost:
            self._unanswered, self._wanted, self._tries = request, None, 0
            self._outage.begin(error)

    def _doubt(self, request: Request) -> None:
        if len(self._doubtful) >= _MOST_DOUBTFUL:
            # Of triggers that went, mostly.
            self._doubtful.clear()
        self._doubtful.add(request)
