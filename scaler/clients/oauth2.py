"""OAuth 2 tokens by client credentials, fetched once for all triggers that use the same."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import quote_plus, urlencode

from pydantic import BaseModel, Field, SecretStr, ValidationError

from scaler.clients.http import Answer, HttpClient, HttpServer, Request
from scaler.clients.http_address import HttpAddress, basic_authorization
from scaler.clients.tls import Tls
from scaler.ports.connections import Connections
from scaler.ports.errors import SourceError, SourceRejected

# A token is renewed this long before it ends, or at half its time where that is short.
_MARGIN_S = 10.0
# A server that refused is not asked again before, and one that could not answer not for each of those that wait.
_REFUSED_S = 10.0
_UNAVAILABLE_S = 0.5
_MAX_BYTES = 64 * 1024
_REFUSALS = frozenset({400, 401})
_ERROR_CODE = re.compile(r"[a-z_]{1,60}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """Who asks which server for what kind of token."""

    url: SecretStr
    client_id: str
    secret: SecretStr
    scopes: tuple[str, ...] = ()
    parameters: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    tls: Tls | None = None


class _Token(BaseModel):
    """What the server grants (RFC 6749, 5.1)."""

    access_token: str = Field(min_length=1, pattern=r"^[\x21-\x7e]+$")
    expires_in: float | None = None


class _Refusal(BaseModel):
    """Why it does not (RFC 6749, 5.2)."""

    error: str = ""


class TokenSource:
    """Hands out the current token, and fetches another when it ends or was refused."""

    def __init__(self, client: HttpClient, credentials: ClientCredentials) -> None:
        self._client = client
        self._credentials = credentials
        self._address = HttpAddress.parse(credentials.url.get_secret_value())
        self._renewing = asyncio.Lock()
        self._token: SecretStr | None = None
        self._ends_at: float | None = None
        self._failure: SourceError | None = None
        self._failed_until = 0.0

    @classmethod
    def shared(cls, credentials: ClientCredentials, connections: Connections) -> AbstractAsyncContextManager[Self]:
        """Borrow the source of these credentials."""
        return connections.shared("oauth2", credentials, lambda: cls.connect(credentials))

    @classmethod
    @asynccontextmanager
    async def connect(cls, credentials: ClientCredentials) -> AsyncIterator[Self]:
        """Make a source; it connects at first use."""
        origin = HttpAddress.parse(credentials.url.get_secret_value()).origin
        async with HttpClient.connect(HttpServer(origin, tls=credentials.tls)) as client:
            yield cls(client, credentials)

    async def token(self) -> SecretStr:
        """Return a token that is good now, as far as is known.

        Raises:
            SourceUnavailable: The server of the tokens is lost, or says that it cannot answer now.
            SourceRejected: It refused the credentials, or answers with something else than a token.
        """
        async with self._renewing:
            now = asyncio.get_running_loop().time()
            if self._token is not None and (self._ends_at is None or now < self._ends_at):
                return self._token
            if self._failure is not None and now < self._failed_until:
                raise self._failure.again()
            try:
                granted = await self._fetch()
            except SourceError as failure:
                pause_s = _REFUSED_S if isinstance(failure, SourceRejected) else _UNAVAILABLE_S
                self._failure, self._failed_until = failure, asyncio.get_running_loop().time() + pause_s
                raise
            self._token = SecretStr(granted.access_token)
            lasts_s = granted.expires_in
            self._ends_at = None if lasts_s is None else now + max(lasts_s - _MARGIN_S, lasts_s / 2)
            return self._token

    def forget(self, token: SecretStr) -> None:
        """The token was refused: the next one to ask gets another."""
        if self._token == token:
            self._token = None

    async def _fetch(self) -> _Token:
        answer = await self._client.ask(self._request(in_header=True))
        if answer.status in _REFUSALS:
            # The standard wants the credentials in a header; some servers take them in the form only.
            in_form = await self._client.ask(self._request(in_header=False))
            answer = answer if in_form.status in _REFUSALS else in_form
        if answer.status in _REFUSALS:
            raise SourceRejected(f"{self._address.origin}: no token: {_reason(answer)}")
        try:
            return _Token.model_validate_json(answer.require_success(self._address.origin).body)
        except ValidationError:
            raise SourceRejected(f"{self._address.origin}: the answer holds no token") from None

    def _request(self, *, in_header: bool) -> Request:
        given = self._credentials
        form = [("grant_type", "client_credentials"), *given.parameters]
        if given.scopes:
            form.append(("scope", " ".join(given.scopes)))
        headers: tuple[tuple[str, SecretStr], ...] = ()
        if in_header:
            pair = f"{quote_plus(given.client_id)}:{quote_plus(given.secret.get_secret_value())}"
            headers = (("Authorization", basic_authorization(pair)),)
        else:
            form += [("client_id", given.client_id), ("client_secret", given.secret.get_secret_value())]
        query = self._address.query.get_secret_value()
        target = f"{self._address.path}?{query}" if query else self._address.path
        return Request(target, headers, max_bytes=_MAX_BYTES, form=SecretStr(urlencode(form)))


def _reason(answer: Answer) -> str:
    """Return the standard's word for the refusal; whatever else a server says may repeat what it was given."""
    try:
        code = _Refusal.model_validate_json(answer.body).error
    except ValidationError:
        code = ""
    return code if _ERROR_CODE.fullmatch(code) else f"HTTP status {answer.status}"
