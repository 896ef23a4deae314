"""A name that is asked for its addresses."""

from __future__ import annotations

import pytest

from scaler.clients.http import HttpServer
from scaler.ports.errors import SourceRejected
from scalers.metrics_api.addresses import Addresses


async def test_a_name_that_no_server_can_have_is_rejected() -> None:
    host = f"{'a' * 64}.example"
    async with Addresses.connect(HttpServer(f"http://{host}"), host, 80) as addresses:
        with pytest.raises(SourceRejected, match="no server can have this name"):
            await addresses.clients()
