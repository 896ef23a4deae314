"""One pull of an image: asked of the engine without the SDK, whose call blocks for minutes and cannot be broken off."""

from __future__ import annotations

import json
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import requests
import structlog
from docker.transport import UnixHTTPAdapter
from docker.utils import parse_repository_tag

from scaler.actuators.docker.failures import message, not_reached, refusal
from scaler.ports.errors import ActuatorError, EngineUnavailable, RegistryUnavailable, ReplicaRejected

log = structlog.get_logger(__name__)

# Seconds between two lines of progress.
_PROGRESS_EVERY_S = 2.0
# The engine says something whenever a piece was downloaded or unpacked, but waits for ever for a registry that hangs.
_LONGEST_SILENCE_S = 300.0
# What those who wait for a replica are told; see `ActuatorError`.
NOT_PULLED = "the image of this app cannot be pulled"
# What the engine passes on from a registry that cannot be reached: words of Go's net package, and HTTP's. Whatever
# else it says needs a look by someone, which its status does not tell: wrong credentials are a 500 as well.
_TIME_HEALS = re.compile(
    r"dial tcp|connection (refused|reset)|i/o timeout|TLS handshake timeout|Client\.Timeout|context (canceled|deadline)"
    r"|\bEOF\b|no route to host|network is unreachable|broken pipe|toomanyrequests"
    r"|HTTP status: 5\d\d|: 5\d\d [A-Z][a-z]+ "
)


@dataclass(frozen=True, slots=True)
class Engine:
    """Where the engine answers.

    Attributes:
        url: Where its API begins.
        socket_path: Its Unix socket, if it has one.
        tls: How to speak TLS; True is aiohttp's own way.
    """

    url: str
    socket_path: str | None
    tls: ssl.SSLContext | bool


def engine_of(api: Any) -> Engine:
    """Return the engine that the SDK's client talks to, TLS files read anew."""
    adapter = api.get_adapter(api.base_url)
    if isinstance(adapter, UnixHTTPAdapter):
        return Engine(f"http://docker/v{api.api_version}", adapter.socket_path, tls=True)
    context = ssl.create_default_context(cafile=api.verify if isinstance(api.verify, str) else None)
    if api.verify is False:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if api.cert:
        context.load_cert_chain(*api.cert)
    return Engine(f"{api.base_url}/v{api.api_version}", None, context)


async def pull(engine: Engine, image: str, auth_header: bytes | None) -> None:
    """Pull an image, telling of its progress.

    Raises:
        EngineUnavailable: The engine does not answer.
        RegistryUnavailable: The image's registry does not answer.
        ReplicaRejected: There is no such image, or it may not be pulled.
    """
    repository, tag = parse_repository_tag(image)
    headers = {"X-Registry-Auth": auth_header.decode()} if auth_header else {}
    connector = aiohttp.UnixConnector(engine.socket_path) if engine.socket_path else None
    silence = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=_LONGEST_SILENCE_S)
    progress = _Progress(image)
    log.info("image_pull_started", image=image)
    began = time.monotonic()
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=silence, trust_env=connector is None) as session,
            session.post(
                f"{engine.url}/images/create",
                params={"fromImage": repository, "tag": tag or "latest"},
                headers=headers,
                ssl=engine.tls,
            ) as response,
        ):
            if response.status != requests.codes.ok:
                said = message(await response.text())
                raise refusal("POST", str(response.url), response.status, response.headers, said) or _refused(
                    image, said
                )
            async for line in response.content:
                progress.see(json.loads(line))
    except aiohttp.SocketTimeoutError as error:
        raise RegistryUnavailable(
            f"image {image} cannot be pulled: nothing came for {silence.sock_read:g} s"
        ) from error
    except (aiohttp.ClientError, OSError) as error:
        raise EngineUnavailable(not_reached(error)) from error
    log.info("image_pulled", image=image, took_s=round(time.monotonic() - began, 1))


class _Progress:
    """What the engine says during a pull, summed up."""

    def __init__(self, image: str) -> None:
        self._image = image
        self._layers: dict[str, tuple[int, int]] = {}
        self._told_at = time.monotonic()

    def see(self, line: Mapping[str, Any]) -> None:
        """Take in one line."""
        if "error" in line:
            raise _refused(self._image, str(line["error"]))
        layer, detail = line.get("id", ""), line.get("progressDetail") or {}
        if line.get("status") == "Downloading" and detail.get("total"):
            self._layers[layer] = (detail["current"], detail["total"])
        elif line.get("status") == "Download complete" and layer in self._layers:
            self._layers[layer] = (self._layers[layer][1],) * 2
        if time.monotonic() - self._told_at >= _PROGRESS_EVERY_S and self._layers:
            self._told_at = time.monotonic()
            current, total = (sum(column) for column in zip(*self._layers.values(), strict=True))
            log.info("image_pulling", image=self._image, downloaded_bytes=current, known_bytes=total)


def _refused(image: str, text: str) -> ActuatorError:
    text = f"image {image} cannot be pulled: {text}"
    if _TIME_HEALS.search(text):
        return RegistryUnavailable(text)
    return ReplicaRejected(text, told=NOT_PULLED)
