"""What goes wrong with the server of the tokens means the same as with every other HTTP server."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import trustme
from pydantic import SecretStr

from scaler.ports.errors import SourceRejected, SourceUnavailable
from scalers.kafka.oauth import Tokens
from scalers.kafka.server import OAuth


async def token_from(endpoint: str) -> str:
    return await Tokens(OAuth(endpoint, "worker", SecretStr("open sesame"))).current()


async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"no TLS here\r\n")
    writer.close()


async def test_a_server_that_is_down_is_unavailable_and_says_why() -> None:
    with pytest.raises(SourceUnavailable, match=r"token endpoint.*: Connection refused"):
        await token_from("http://127.0.0.1:9/token")


async def test_a_name_that_no_server_can_have_is_rejected() -> None:
    with pytest.raises(SourceRejected, match="no server can have this name"):
        await token_from(f"http://{'a' * 64}.example/token")


async def test_a_port_that_speaks_no_tls_is_rejected() -> None:
    async with await asyncio.start_server(close, "127.0.0.1", 0) as server:
        with pytest.raises(SourceRejected, match="TLS failed"):
            await token_from(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/token")


async def test_a_certificate_that_is_not_trusted_is_rejected() -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with await asyncio.start_server(close, "127.0.0.1", 0, ssl=context) as server:
        with pytest.raises(SourceRejected, match="certificate is not trusted"):
            await token_from(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/token")
