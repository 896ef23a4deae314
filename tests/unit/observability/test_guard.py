"""Whom the API answers, and what it says to browsers."""

from __future__ import annotations

import pytest

from scaler.observability.guard import Guard


async def nothing(*_: object) -> None:
    raise AssertionError


@pytest.mark.parametrize(
    ("host", "on_loopback", "on_all"),
    [
        ("127.0.0.1:8470", True, True),
        ("127.8.0.1", True, True),
        ("[::1]:8470", True, True),
        ("localhost:8470", True, True),
        ("LOCALHOST.:8470", True, True),
        ("scaler.localhost", True, True),
        ("192.0.2.7:8470", True, True),
        ("scaler:8470", False, True),
        ("host.docker.internal:8470", False, True),
        ("evil.example:8470", False, False),
        ("localhost.evil.example", False, False),
        ("127.0.0.1.evil.example", False, False),
        ("evil.example@127.0.0.1", False, False),
        ("[::1].evil.example", False, False),
        ("", False, False),
        ("127.0.0.1:port", False, False),
    ],
)
def test_only_names_that_nobody_else_can_point_here_are_served(host: str, *, on_loopback: bool, on_all: bool) -> None:
    assert Guard(nothing, listen_host="127.0.0.1").serves(host) is on_loopback
    assert Guard(nothing, listen_host="0.0.0.0").serves(host) is on_all  # noqa: S104 - not listened on


def test_the_host_of_listen_is_served() -> None:
    guard = Guard(nothing, listen_host="scaler.example.com")
    assert guard.serves("scaler.example.com:8470")
    assert guard.serves("Scaler.Example.com")
    assert not guard.serves("other.example.com:8470")
    assert Guard(nothing, listen_host="[2001:db8::1]").serves("[2001:DB8::1]:8470")
