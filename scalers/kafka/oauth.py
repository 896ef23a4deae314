"""Tokens for OAUTHBEARER, by the client credentials grant of OAuth 2."""

from __future__ import annotations

import asyncio
import base64
import json
from urllib.parse import quote_plus

import aiohttp

from scaler.clients.http_connection import connection_failure
from scaler.ports.errors import SourceError, SourceRejected, SourceUnavailable
from scalers.kafka.server import OAuth

_TIMEOUT_S = 3.0
# A token is renewed this long before its end, so that none ends on its way.
_MARGIN_S = 30.0
# What a server gives that does not say how long its token is good for (RFC 6749 only recommends to).
_UNSAID_LIFETIME_S = 300.0
_TRANSIENT_STATUS = frozenset({408, 425, 429})
_SERVER_ERRORS = range(500, 600)
_OK = 200


class Tokens:
    """The token of one client, fetched when it is needed and kept until shortly before its end."""

    def __init__(self, oauth: OAuth) -> None:
        self._oauth = oauth
        self._token = ""
        self._good_until = 0.0
        self._fetching = asyncio.Lock()

    async def current(self) -> str:
        """Return a token that is good for a while.

        Raises:
            SourceUnavailable: The server that issues them is lost.
            SourceRejected: It refused us, or its answer holds no token.
        """
        async with self._fetching:
            now = asyncio.get_running_loop().time()
            if now >= self._good_until:
                self._token, lifetime_s = await self._fetch()
                self._good_until = now + max(lifetime_s - _MARGIN_S, lifetime_s / 2)
            return self._token

    def forget(self) -> None:
        """Fetch anew next time: a broker refused what we have."""
        self._good_until = 0.0

    async def _fetch(self) -> tuple[str, float]:
        source = "the token endpoint of Kafka's oauthbearer"
        form = {"grant_type": "client_credentials"}
        if self._oauth.scopes:
            form["scope"] = " ".join(self._oauth.scopes)
        # RFC 6749, 2.3.1: both are form-encoded before they become basic credentials.
        credentials = ":".join(map(quote_plus, (self._oauth.client_id, self._oauth.client_secret.get_secret_value())))
        headers = {"Authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}"}
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S), headers=headers) as session,
                session.post(self._oauth.endpoint, data=form, allow_redirects=False) as answer,
            ):
                body = await answer.read()
        except TimeoutError as error:
            raise SourceUnavailable(f"{source}: no answer within {_TIMEOUT_S:g} s") from error
        except aiohttp.ClientConnectionError as error:
            raise connection_failure(source, error) from error
        except UnicodeError as error:
            raise SourceRejected(f"{source}: no server can have this name") from error
        except aiohttp.ClientError as error:
            # Its text may quote the address, which may hold secrets.
            raise SourceUnavailable(f"{source}: no proper HTTP ({type(error).__name__})") from error
        if (refused := _refusal(source, answer.status)) is not None:
            raise refused
        return _parsed(source, body)


def _refusal(source: str, status: int) -> SourceError | None:
    if status == _OK:
        return None
    transient = status in _TRANSIENT_STATUS or status in _SERVER_ERRORS
    return (SourceUnavailable if transient else SourceRejected)(f"{source}: HTTP status {status}")


def _parsed(source: str, body: bytes) -> tuple[str, float]:
    try:
        answer = json.loads(body)
        token, lifetime_s = answer["access_token"], float(answer.get("expires_in") or _UNSAID_LIFETIME_S)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise SourceRejected(f"{source}: the answer holds no access_token") from error
    if not isinstance(token, str) or not token or "\x01" in token:
        raise SourceRejected(f"{source}: the answer holds no access_token")
    return token, lifetime_s
