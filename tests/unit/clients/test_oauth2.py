"""Tokens by client credentials from a server that does as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from scaler.clients.oauth2 import ClientCredentials, TokenSource
from scaler.ports.errors import SourceRejected, SourceUnavailable
from scaler.testing.driving import DEADLINE_S
from scaler.testing.leaks import no_leaks

SECRET = "open sesame"  # noqa: S105 - of a server for one test


@dataclass
class Tokens:
    """What was asked for, and what is granted."""

    origin: str = ""
    forms: list[dict[str, str]] = field(default_factory=list)
    headers: list[str | None] = field(default_factory=list)
    status: int = 200
    answer: Any = field(default_factory=dict)
    form_only: bool = False

    async def grant(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.forms.append(form)
        self.headers.append(request.headers.get("Authorization"))
        if self.form_only and "client_secret" not in form:
            return web.json_response({"error": "invalid_client"}, status=401)
        if self.status != 200:
            return web.json_response(self.answer, status=self.status)
        return web.json_response({"access_token": f"token-{len(self.forms)}", **self.answer})


@asynccontextmanager
async def source(tokens: Tokens, **more: Any) -> AsyncIterator[TokenSource]:
    app = web.Application()
    app.router.add_post("/token", tokens.grant)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    tokens.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    credentials = ClientCredentials(SecretStr(f"{tokens.origin}/token"), "a client", SecretStr(SECRET), **more)
    try:
        async with no_leaks(), TokenSource.connect(credentials) as connected:
            yield connected
    finally:
        await runner.cleanup()


async def test_a_token_is_fetched_once_for_all() -> None:
    tokens = Tokens(answer={"expires_in": 3600})
    async with source(tokens, scopes=("read", "write"), parameters=(("audience", "x"),)) as connected:
        got = await asyncio.gather(*(connected.token() for _ in range(5)))
    assert {token.get_secret_value() for token in got} == {"token-1"}
    assert tokens.forms == [{"grant_type": "client_credentials", "audience": "x", "scope": "read write"}]
    # "a+client:open+sesame": the standard wants both encoded.
    assert tokens.headers == ["Basic YStjbGllbnQ6b3BlbitzZXNhbWU="]


@pytest.mark.parametrize(
    ("answer", "fetched"), [({}, 1), ({"expires_in": "3600"}, 1), ({"expires_in": 10}, 1), ({"expires_in": 0}, 2)]
)
async def test_a_token_that_ends_is_renewed_before(answer: dict[str, Any], fetched: int) -> None:
    async with source(tokens := Tokens(answer=answer)) as connected:
        await connected.token()
        assert (await connected.token()).get_secret_value() == f"token-{fetched}"
    assert len(tokens.forms) == fetched


async def test_a_token_that_was_refused_is_fetched_anew() -> None:
    async with source(Tokens()) as connected:
        first = await connected.token()
        connected.forget(first)
        second = await connected.token()
        assert second != first
        connected.forget(first)
        assert await connected.token() == second


async def test_credentials_may_have_to_stand_in_the_form() -> None:
    async with source(tokens := Tokens(form_only=True)) as connected:
        assert (await connected.token()).get_secret_value() == "token-2"
    assert tokens.forms[1]["client_secret"] == SECRET
    assert tokens.headers[1] is None


@pytest.mark.parametrize(
    ("status", "answer", "why"),
    [
        (401, {"error": "invalid_client"}, "no token: invalid_client"),
        (400, {"error": f"you said {SECRET}"}, "no token: HTTP status 400"),
        (400, [], "no token: HTTP status 400"),
        (403, {}, "HTTP status 403"),
        (200, {"access_token": ""}, "holds no token"),
        (200, {"access_token": "a\nb"}, "holds no token"),
        (200, {"access_token": None}, "holds no token"),
    ],
)
async def test_a_refusal_is_rejected_and_not_repeated_at_once(status: int, answer: Any, why: str) -> None:
    async with source(tokens := Tokens(status=status, answer=answer)) as connected:
        for _ in range(3):
            with pytest.raises(SourceRejected, match=why) as caught:
                await connected.token()
            assert SECRET not in str(caught.value)
    assert len(tokens.forms) <= 2


async def test_a_server_that_is_busy_is_not_asked_once_for_each_who_waits() -> None:
    async with source(tokens := Tokens(status=503)) as connected:
        got = await asyncio.gather(*(connected.token() for _ in range(20)), return_exceptions=True)
        assert {type(error) for error in got} == {SourceUnavailable}
        assert len({id(error) for error in got}) == 20
        assert len(tokens.forms) == 1
        tokens.status = 200
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    await connected.token()
                    break
                except SourceUnavailable:
                    await asyncio.sleep(0.05)
