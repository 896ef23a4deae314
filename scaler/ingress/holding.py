"""The holding service: Envoy asks it (ext_authz) what becomes of a request to an app that has no ready replica."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import grpc
from envoy.config.core.v3.base_pb2 import HeaderValueOption
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse

from scaler.ingress import waiting_page
from scaler.ingress.waiting_room import Released, WaitingRoom
from scaler.ingress.xds.naming import APP_KEY
from scaler.model import WakeExclusion
from scaler.ports.recorder import HoldOutcome

# The method that `HoldingService.check` answers.
METHOD = "/envoy.service.auth.v3.Authorization/Check"
# Milliseconds that a request was held; on every answer to a request that came here, 0 included, so that its absence
# says that the request went straight to a replica.
HELD_HEADER = "x-scaler-held-ms"

_TEXT = "text/plain; charset=utf-8"
_HTML = "text/html; charset=utf-8"
# A page that says that something is not there yet must be asked for again: browsers and caches may not keep it, and
# crawlers and monitors may not take it for the app's. So it is a 503, which browsers show like any other page.
_PAGE_STATUS = 503
_NOT_FOUND = 404


class HoldingService:
    """Holds requests to apps that have no ready replica.

    Until `begin` those to apps that are not known wait, too: a proxy that outlived an earlier run asks again for what
    it held as soon as there is someone to ask.

    Attributes:
        rooms: The waiting rooms by the apps' names; whoever owns the mapping changes it at any time.
    """

    def __init__(self, rooms: Mapping[str, WaitingRoom]) -> None:
        self.rooms = rooms
        self._begun = asyncio.Event()

    def begin(self) -> None:
        """All apps have their rooms: of others there are none."""
        self._begun.set()

    async def check(self, message: bytes) -> bytes:
        """Answer a CheckRequest with a CheckResponse, once it is known what becomes of the request.

        Cancellation means that its client is gone. Both messages are bytes, and a request is not kept while it waits.
        """
        while (answer := self._at_once(message)) is None:
            await self._begun.wait()
        if isinstance(answer, bytes):
            return answer
        del message
        result = await answer.wait()
        if isinstance(result, Released):
            return _allowed(result.held_s)
        return _denied(result.status, result.reason, held_s=result.held_s, retry_after_s=result.retry_after_s)

    def _at_once(self, message: bytes) -> bytes | WaitingRoom | None:
        """Return the answer to a request that need not wait, or the room where it is to wait; None: not known yet."""
        attributes = CheckRequest.FromString(message).attributes
        app = attributes.context_extensions[APP_KEY]
        room = self.rooms.get(app)
        if room is None:
            return _denied(_NOT_FOUND, "there is no such app") if self._begun.is_set() else None
        if room.is_open:
            return room
        request = attributes.request.http
        for exclusion in room.hold.exclusions:
            if _matches(exclusion, request):
                room.answered(HoldOutcome.NOT_WAKING)
                return _denied(exclusion.status, "this app is not running, and this request does not start it")
        page = room.hold.waiting_page
        if page is not None and not room.failing and _is_page_view(request):
            room.answered(HoldOutcome.PAGE)
            return _page(page, app)
        return room


def _matches(exclusion: WakeExclusion, request: Any) -> bool:
    if exclusion.path_prefix is not None and not request.path.startswith(exclusion.path_prefix):
        return False
    if exclusion.user_agent is None:
        return True
    return exclusion.user_agent.lower() in request.headers["user-agent"].lower()


def _is_page_view(request: Any) -> bool:
    return request.method == "GET" and waiting_page.prefers_html(request.headers["accept"])


def _allowed(held_s: float) -> bytes:
    response = CheckResponse()
    response.ok_response.response_headers_to_add.append(_header(HELD_HEADER, _milliseconds(held_s)))
    return bytes(response.SerializeToString())


def _page(page: str, app: str) -> bytes:
    headers = {} if waiting_page.reloads_itself(page) else {"refresh": str(waiting_page.REFRESH_S)}
    text = waiting_page.render(page, app)
    return _denied(_PAGE_STATUS, text, content_type=_HTML, retry_after_s=waiting_page.REFRESH_S, more=headers)


def _denied(
    status: int,
    body: str,
    *,
    held_s: float = 0.0,
    retry_after_s: int | None = None,
    content_type: str = _TEXT,
    more: Mapping[str, str] | None = None,
) -> bytes:
    """Return the answer with which Envoy answers the client itself."""
    headers = {"content-type": content_type, "cache-control": "no-store", HELD_HEADER: _milliseconds(held_s)}
    if retry_after_s is not None:
        headers["retry-after"] = str(retry_after_s)
    headers |= more or {}
    response = CheckResponse()
    response.status.code = grpc.StatusCode.PERMISSION_DENIED.value[0]
    response.denied_response.status.code = status
    response.denied_response.body = body
    response.denied_response.headers.extend(_header(name, value) for name, value in headers.items())
    return bytes(response.SerializeToString())


def _header(name: str, value: str) -> Any:
    """Return a header that replaces any of the same name: an app may not say how long a request was held."""
    option = HeaderValueOption(append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD)
    option.header.key = name
    option.header.value = value
    return option


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
