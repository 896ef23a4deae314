"""A real Redis master with replicas, and the sentinels that watch over them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from redis import Redis
from redis.exceptions import RedisError

from scaler.testing.servers.process import START_TIMEOUT_S, ServerNotStarted, ServerProcess, server_folder
from scaler.testing.servers.redis import RedisServer, TlsFiles, redis_binary

MASTER = "main"
_POLL_S = 0.02
# Of a master that a busy machine holds up for less, nothing is to become.
_DOWN_AFTER_MS = 5000
_FAILOVER_TIMEOUT_MS = 3000


class Sentinel(ServerProcess):
    """One sentinel on a loopback port; it keeps what it has learned in its file."""

    def __init__(self, folder: Path, lines: Sequence[str], tls: TlsFiles | None) -> None:
        super().__init__(folder)
        ports = [f"port {self.port}"]
        if tls:
            ports = ["port 0", f"tls-port {self.port}", *tls.directives(), "tls-replication yes"]
        self._config = folder / "sentinel.conf"
        self._config.touch(mode=0o600)
        self._config.write_text("\n".join(["bind 127.0.0.1", *ports, f'dir "{folder}"', *lines]) + "\n")

    @property
    def address(self) -> str:
        """host:port, as triggers take it."""
        return f"{self.host}:{self.port}"

    def command(self) -> Sequence[str]:
        """Return the program."""
        return [redis_binary(), str(self._config), "--sentinel"]

    def answers(self) -> bool:
        """Whether it watches: this holds with TLS and credentials, too."""
        return b"+monitor master" in self.log.read_bytes()


class SentinelSet:
    """A master named `MASTER`, a replica, and sentinels of which one more than half decide."""

    def __init__(
        self,
        servers: Sequence[RedisServer],
        sentinels: Sequence[Sentinel],
        password: str,
        sentinel_password: str,
        *,
        tls: bool,
    ) -> None:
        self.servers = tuple(servers)
        self.sentinels = tuple(sentinels)
        self._password = password
        self._sentinel_password = sentinel_password
        self._tls: dict[str, Any] = {"ssl": True, "ssl_cert_reqs": "none", "ssl_check_hostname": False} if tls else {}

    @classmethod
    @contextmanager
    def running(
        cls,
        *,
        sentinels: int = 1,
        password: str = "",
        sentinel_password: str = "",
        tls: TlsFiles | None = None,
        notifications: str = "",
    ) -> Iterator[Self]:
        """Start all, and stop them on exit.

        Args:
            sentinels: How many; their majority makes the replica the master when that is down for five seconds.
            password: Of the default user of the servers.
            sentinel_password: Of the default user of the sentinels.
            tls: Speak TLS only; a client certificate is not asked for.
            notifications: `notify-keyspace-events` of both servers.
        """
        with ExitStack() as stack:
            directives = ["repl-diskless-sync-delay 0"]
            if password:
                directives += [f"requirepass {password}", f"masterauth {password}"]
            if tls:
                directives += ["tls-replication yes"]
            servers: list[RedisServer] = []
            for role in ("master", "replica"):
                follow = [f"replicaof {servers[0].host} {servers[0].port}"] if servers else []
                server = RedisServer(
                    stack.enter_context(server_folder(f"redis-{role}")),
                    tls=tls,
                    notifications=notifications,
                    keep_data=True,
                    directives=[*directives, *follow],
                )
                stack.callback(server.stop)
                server.start()
                servers.append(server)
            lines = [
                f"sentinel monitor {MASTER} {servers[0].host} {servers[0].port} {sentinels // 2 + 1}",
                f"sentinel down-after-milliseconds {MASTER} {_DOWN_AFTER_MS}",
                f"sentinel failover-timeout {MASTER} {_FAILOVER_TIMEOUT_MS}",
            ]
            if password:
                lines.append(f"sentinel auth-pass {MASTER} {password}")
            if sentinel_password:
                lines += [f"requirepass {sentinel_password}", f"sentinel sentinel-pass {sentinel_password}"]
            watching = []
            for _ in range(sentinels):
                sentinel = Sentinel(stack.enter_context(server_folder("redis-sentinel")), lines, tls)
                stack.callback(sentinel.stop)
                sentinel.start()
                watching.append(sentinel)
            found = cls(servers, watching, password, sentinel_password, tls=tls is not None)
            found.await_ready()
            yield found

    @property
    def addresses(self) -> str:
        """host:port of all sentinels, as triggers take them."""
        return ",".join(sentinel.address for sentinel in self.sentinels)

    def client(self, server: RedisServer, **options: Any) -> Redis:
        """Return a plain client of a server, to be used as a context manager."""
        return server.client(decode_responses=True, password=self._password or None, **self._tls, **options)

    def ask(self, sentinel: Sentinel, *command: str) -> Any:
        """Return what a sentinel answers."""
        credentials = {"password": self._sentinel_password or None, **self._tls}
        with Redis(port=sentinel.port, socket_timeout=START_TIMEOUT_S, decode_responses=True, **credentials) as client:
            return client.execute_command(*command)

    def master(self) -> RedisServer:
        """Return the master, by what the first running sentinel says."""
        asked = next(sentinel for sentinel in self.sentinels if sentinel.runs)
        port = int(self.ask(asked, "SENTINEL GET-MASTER-ADDR-BY-NAME", MASTER)[1])
        return next(server for server in self.servers if server.port == port)

    def producer(self, _key: str = "") -> Redis:
        """Return a plain client of the master, which has all keys."""
        return self.client(self.master())

    def stop(self) -> None:
        """Stop all; they keep their data and places."""
        for server in (*self.sentinels, *self.servers):
            server.stop()

    def freeze(self) -> None:
        """Let all accept connections and never answer; sentinels first, lest they take the master for lost."""
        for server in (*self.sentinels, *self.servers):
            server.freeze()

    def thaw(self) -> None:
        """Let them go on."""
        for server in (*self.servers, *self.sentinels):
            server.thaw()

    def start(self) -> None:
        """Start all that do not run, and wait until a master takes writes and the sentinels agree on it."""
        for server in (*self.servers, *self.sentinels):
            if not server.runs:
                server.start()
        self.await_ready()

    def await_ready(self) -> None:
        """Wait until the replica follows the master, and each sentinel knows all others.

        Raises:
            ServerNotStarted: That does not come about in time.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._is_ready():
            if time.monotonic() > deadline:
                raise ServerNotStarted("the sentinels and their servers did not find each other")
            time.sleep(_POLL_S)

    def _is_ready(self) -> bool:
        try:
            with self.producer() as client:
                replication = client.info("replication")
            if replication["role"] != "master" or not replication["connected_slaves"]:
                return False
            if replication["slave0"]["state"] != "online":
                return False
            masters = [_pairs(self.ask(sentinel, "SENTINEL MASTER", MASTER)) for sentinel in self.sentinels]
        except (RedisError, KeyError):
            return False
        return all(
            facts["flags"] == "master"
            and int(facts["num-slaves"]) == 1
            and int(facts["num-other-sentinels"]) == len(self.sentinels) - 1
            and int(facts["port"]) == int(masters[0]["port"])
            for facts in masters
        )


def _pairs(reply: Any) -> dict[str, str]:
    return dict(reply) if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
