"""A real RabbitMQ with its management API: a node with ports of its own, so that many run side by side."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from scaler.testing.polling import eventually
from scaler.testing.servers.process import ServerNotStarted, ServerProcess, free_port, server_folder
from scaler.testing.servers.redis import TlsFiles

# Of Debian's package. The wrapper in sbin would change the user.
PROGRAMS = Path("/usr/lib/rabbitmq/bin")
ADMINISTRATOR = "guest"
_CALL_TIMEOUT_S = 60.0
# How often a node writes its statistics and the management database takes a sample of them; 5 s each in production.
_STATISTICS_INTERVAL_MS = 200
_SAMPLE_S = 1


class RabbitMQServer(ServerProcess):
    """A broker on loopback ports. Durable queues and persistent messages survive `kill()` and `start()`."""

    start_timeout_s = 90.0

    def __init__(self, folder: Path, *, tls: TlsFiles | None = None, settings: Sequence[str] = ()) -> None:
        super().__init__(folder)
        self.management_port = free_port()
        self.tls_port, self.management_tls_port = free_port(), free_port()
        self._node_port, self._names_port = free_port(), free_port()
        self._names: subprocess.Popen[bytes] | None = None
        self._tls = tls
        self._settings = tuple(settings)

    @classmethod
    @contextmanager
    def running(cls, *, tls: TlsFiles | None = None, settings: Sequence[str] = ()) -> Iterator[Self]:
        """Start a broker and stop it on exit.

        Args:
            tls: Speak TLS, too, with these files, on `tls_port` and `management_tls_port`.
            settings: More lines for its configuration.
        """
        with server_folder("rabbitmq") as folder, cls._run(cls(folder, tls=tls, settings=settings)) as server:
            try:
                yield server
            finally:
                # Its data goes with the folder, so it need not spend seconds on leaving them in order.
                server.kill()

    def start(self) -> None:
        """Start it and wait until it answers."""
        # With a name server of its own, which we started and so can end: by itself it would leave a daemon behind.
        self._names = subprocess.Popen(
            ["epmd", "-port", str(self._names_port), "-address", self.host],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        eventually(lambda: _listens(self.host, self._names_port), what="the name server listens")
        try:
            super().start()
        except BaseException:
            self._stop_names()
            raise

    def stop(self) -> None:
        """Stop it in order."""
        super().stop()
        self._stop_names()

    def kill(self) -> None:
        """End it at once, as a crash would (SIGKILL); `start()` finds its data again."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self._stop_names()

    def _stop_names(self) -> None:
        names, self._names = self._names, None
        if names is not None:
            names.kill()
            names.wait()

    def command(self) -> Sequence[str]:
        """Return the program; its environment says the rest."""
        program = PROGRAMS / "rabbitmq-server"
        if not program.exists() or shutil.which("epmd") is None:
            raise ServerNotStarted(f"no {program}: install rabbitmq-server")
        (self.folder / "rabbitmq.conf").write_text("\n".join(self._configuration()) + "\n")
        (self.folder / "plugins").write_text("[rabbitmq_management].\n")
        return ["env", *(f"{name}={value}" for name, value in self._environment().items()), str(program)]

    def answers(self) -> bool:
        """Whether it says that it has started: this holds with TLS and credentials, too."""
        return b" completed with " in self.log.read_bytes()

    def _environment(self) -> Mapping[str, str]:
        return {
            # Makes the start script become the broker's own process instead of its parent: signals reach the broker.
            "RUNNING_UNDER_SYSTEMD": "true",
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self._names_port),
            "ERL_EPMD_ADDRESS": self.host,
            "RABBITMQ_NODENAME": f"scaler-{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._node_port),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _configuration(self) -> Iterator[str]:
        yield f"listeners.tcp.1 = {self.host}:{self.port}"
        yield f"management.tcp.ip = {self.host}"
        yield f"management.tcp.port = {self.management_port}"
        yield f"collect_statistics_interval = {_STATISTICS_INTERVAL_MS}"
        for section in ("global", "basic", "detailed"):
            yield f"management.sample_retention_policies.{section}.minute = {_SAMPLE_S}"
        yield "log.console = true"
        yield "log.file = false"
        yield from self._settings
        if self._tls is None:
            return
        yield f"listeners.ssl.1 = {self.host}:{self.tls_port}"
        yield f"management.ssl.ip = {self.host}"
        yield f"management.ssl.port = {self.management_tls_port}"
        for prefix in ("ssl_options", "management.ssl"):
            yield f"{prefix}.certfile = {self._tls.cert}"
            yield f"{prefix}.keyfile = {self._tls.key}"
            yield f"{prefix}.cacertfile = {self._tls.client_ca or self._tls.cert}"
            yield f"{prefix}.verify = {'verify_peer' if self._tls.client_ca else 'verify_none'}"
            yield f"{prefix}.fail_if_no_peer_cert = {'true' if self._tls.client_ca else 'false'}"

    def amqp(self, user: str = "guest", password: str = "guest", vhost: str = "/") -> str:  # noqa: S107 - RabbitMQ's own
        """Return the broker's URL, as triggers take it."""
        return f"amqp://{quote(user, '')}:{quote(password, '')}@{self.host}:{self.port}/{quote(vhost, '')}"

    def http(self, user: str = "guest", password: str = "guest", vhost: str = "/") -> str:  # noqa: S107 - RabbitMQ's own
        """Return the management API's URL, as triggers take it."""
        return f"http://{quote(user, '')}:{quote(password, '')}@{self.host}:{self.management_port}/{quote(vhost, '')}"

    def call(self, method: str, *path: str, body: object = None) -> Any:
        """Ask the management API as administrator.

        Args:
            method: Of HTTP.
            path: Below `/api`, not yet percent-encoded.
            body: Sent as JSON.

        Returns:
            The JSON of the answer; None when it is empty.
        """
        where = "/".join(quote(part, "") for part in path)
        credentials = base64.b64encode(f"{ADMINISTRATOR}:{ADMINISTRATOR}".encode()).decode()
        request = Request(
            f"http://{self.host}:{self.management_port}/api/{where}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Basic {credentials}", "Content-Type": "application/json"},
        )
        with urlopen(request, timeout=_CALL_TIMEOUT_S) as answer:  # noqa: S310 - of this process' own server
            text = answer.read()
        return json.loads(text) if text else None

    def declare(self, queue: str, *, vhost: str = "/", **properties: Any) -> None:
        """Make a durable queue, unless it is there."""
        self.call("PUT", "queues", vhost, queue, body={"durable": True, **properties})

    def delete(self, queue: str, *, vhost: str = "/") -> None:
        """Remove a queue."""
        self.call("DELETE", "queues", vhost, queue)

    def publish(self, queue: str, items: int, *, vhost: str = "/") -> None:
        """Put persistent messages into a queue."""
        message = {
            "routing_key": queue,
            "payload": "x",
            "payload_encoding": "string",
            "properties": {"delivery_mode": 2},
        }
        for _ in range(items):
            self.call("POST", "exchanges", vhost, "amq.default", "publish", body=message)

    def purge(self, queue: str, *, vhost: str = "/") -> None:
        """Remove the messages that are ready."""
        self.call("DELETE", "queues", vhost, queue, "contents")

    def messages(self, queue: str, *, vhost: str = "/") -> int | None:
        """Return how many messages the statistics show, which lag; None when they do not know the queue yet."""
        try:
            found: int | None = self.call("GET", "queues", vhost, queue).get("messages")
        except HTTPError as error:
            error.close()
            return None
        return found

    def add_vhost(self, name: str) -> None:
        """Make a virtual host that the administrator may use."""
        self.call("PUT", "vhosts", name, body={})
        self.add_permissions(ADMINISTRATOR, vhost=name, pattern=".*")

    def add_user(self, name: str, password: str, *, tags: str = "", vhost: str = "/", pattern: str = ".*") -> None:
        """Make a user with permissions on the names that match a pattern."""
        self.call("PUT", "users", name, body={"password": password, "tags": tags})
        self.add_permissions(name, vhost=vhost, pattern=pattern)

    def add_permissions(self, user: str, *, vhost: str, pattern: str) -> None:
        """Let a user configure, write and read what matches."""
        rights = dict.fromkeys(("configure", "write", "read"), pattern)
        self.call("PUT", "permissions", vhost, user, body=rights)

    def control(self, *arguments: str) -> None:
        """Run `rabbitmqctl`."""
        environment = {**os.environ, **self._environment()}
        subprocess.run(
            [PROGRAMS / "rabbitmqctl", *arguments], env=environment, check=True, capture_output=True, timeout=120
        )


def _listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0
