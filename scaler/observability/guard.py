"""What every answer of the API says to browsers, and whom it answers: no page elsewhere can read it."""

from __future__ import annotations

import ipaddress
import re
import socket
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^\[\]:]*)(:\d+)?", re.IGNORECASE)


class Guard:
    """Refuses requests by a name that is not the service's, and adds the headers that browsers heed.

    A name of somebody else's that resolves to this machine (DNS rebinding) would let a page of theirs read the API.
    So a request must come by an address, by a loopback name, or by the host of `--listen`. Where that is not loopback,
    also by the machine's own name and by names that nobody can register: without a dot, as containers have, or
    `.internal`.
    """

    def __init__(self, app: ASGIApp, *, listen_host: str = "127.0.0.1") -> None:
        self._app = app
        self._listen_host = listen_host.strip("[]").lower()
        self._local = is_loopback(self._listen_host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        host = Headers(scope=scope).get("host")
        if host is None or self.serves(host):  # browsers always say it; a check by HTTP/1.0 may not
            await self._app(scope, receive, send_guarded)
        else:
            text = "this service is not known by that name: use its address, or name the host in --listen"
            await PlainTextResponse(text, HTTPStatus.MISDIRECTED_REQUEST)(scope, receive, send_guarded)

    def serves(self, host: str) -> bool:
        """Return whether a request may come with this `Host`."""
        if (match := _HOST.fullmatch(host)) is None:
            return False
        name = match["name"].strip("[]").lower().removesuffix(".")
        if is_loopback(name) or name == self._listen_host:
            return True
        if is_address(name):
            return True
        if self._local or not name:
            return False
        return "." not in name or name.endswith(".internal") or name == socket.gethostname().lower()


def is_loopback(name: str) -> bool:
    """Return whether a host is this machine itself, whoever asks."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    return is_address(name) and ipaddress.ip_address(name).is_loopback


def is_address(name: str) -> bool:
    """Return whether a host is an IP address, which nobody can point elsewhere."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
