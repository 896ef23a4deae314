"""A service with a Redis worker and an HTTP app, and a browser that shows its page."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright
from redis import Redis

from scaler.testing import http_app
from scaler.testing.http_service import QUICK, HttpService, rule
from scaler.testing.servers.process import ServerNotStarted, free_port
from scaler.testing.servers.redis import RedisServer

# Long enough for a slow machine; nothing waits this long unless it fails.
PATIENCE_MS = 60_000
NASTY = "<img src=x onerror=alert(1)>"

expect.set_options(timeout=PATIENCE_MS)

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def browser_binary() -> str:
    """Return the path of a Chromium.

    Raises:
        ServerNotStarted: There is none.
    """
    for name in _BROWSERS:
        if found := shutil.which(name):
            return found
    raise ServerNotStarted(f"no {' or '.join(_BROWSERS)} on the PATH: the page is tested in one")


def worker(name: str, address: str, *, queue: str = "jobs", trigger: str = "jobs") -> str:
    """Return the manifest of a worker with a replica for every five items of a list."""
    custom = {"type": "redis", "metadata": {"address": address, "listName": queue, "listLength": "5"}}
    return json.dumps(
        {
            "type": "Microsoft.App/containerApps",
            "name": name,
            "properties": {
                "template": {
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{"name": "main", "image": "none", "command": ["sleep", "1000"]}],
                    "scale": {**QUICK, "rules": [{"name": trigger, "custom": custom}]},
                }
            },
        }
    )


@dataclass
class Scene:
    """What the page shows."""

    service: HttpService
    queue: Redis
    gate: Path
    port: int
    nasty: str = NASTY

    @property
    def url(self) -> str:
        return f"http://{self.service.api.address}/"

    @contextmanager
    def request(self, app: str, path: str) -> Iterator[None]:
        """Have a request to an app under way that nobody waits for; its client is gone on exit."""
        assert self.service.ingress_port is not None
        with socket.create_connection(("127.0.0.1", self.service.ingress_port), timeout=30) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: {app}.localhost\r\n\r\n".encode())
            yield

    def start(self) -> None:
        """Start the service again where it was."""
        self.service.start("--listen", f"127.0.0.1:{self.port}")

    def fill(self, count: int) -> None:
        """Have that many jobs in the worker's list."""
        self.queue.delete("jobs")
        if count:
            self.queue.lpush("jobs", *range(count))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("page")
    nowhere = f"127.0.0.1:{free_port()}"
    gate = folder / "gate"
    # It starts no sooner than the gate is there: until then its requests are held.
    start = ["sh", "-c", f"while ! [ -e {gate} ]; do sleep 0.1; done; exec {' '.join(http_app.command())}"]
    shop = http_app.manifest(
        "shop", start=start, grace_s=1, scale={**QUICK, "cooldownPeriod": 2, "rules": [rule(concurrentRequests="2")]}
    )
    port = free_port()
    with RedisServer.running() as redis:
        manifests = [
            worker("worker", redis.address),
            shop,
            # What it reads does not answer, and what it is called is meant to be markup.
            worker("lost", nowhere, trigger=NASTY),
        ]
        service = HttpService(folder, manifests)
        with service.running("--listen", f"127.0.0.1:{port}"), Redis(redis.host, redis.port) as queue:
            yield Scene(service, queue, gate, port)


# Of one module: what drives it keeps an event loop running, beside which no other test could run its own.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_binary(), args=["--no-sandbox", "--disable-gpu"], timeout=PATIENCE_MS
        )
        yield browser
        browser.close()


@dataclass
class Seen:
    """What a page asked for and complained about."""

    requests: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def open_page(chromium: Browser, seen: Seen) -> Iterator[Callable[..., Page]]:
    """Opens pages, each in a context of its own."""
    contexts = []

    def asked(request: Request) -> None:
        seen.requests.append(request)

    def dismiss(dialog: Any) -> None:
        seen.dialogs.append(dialog.message)
        dialog.dismiss()

    def open_(url: str, **options: Any) -> Page:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("request", asked)
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on("console", lambda said: seen.complaints.append(said.text) if said.type == "error" else None)
        page.on("dialog", dismiss)
        page.goto(url)
        return page

    yield open_
    for context in contexts:
        context.close()
