"""A client that never stops: many kinds of requests over lasting connections, each answer compared and counted."""

from __future__ import annotations

from scaler.testing.http_client.client import BY_HTTP, BY_RPC, Client, Target
from scaler.testing.http_client.connection import Answer, Connection
from scaler.testing.http_client.requests import HELD, Shape
from scaler.testing.http_client.tally import Failure, Kind, Tally, Unexpected

__all__ = [
    "BY_HTTP",
    "BY_RPC",
    "HELD",
    "Answer",
    "Client",
    "Connection",
    "Failure",
    "Kind",
    "Shape",
    "Tally",
    "Target",
    "Unexpected",
]
