"""A real Kafka: one node in KRaft mode, from the jars that `.ci/install-servers` fetches."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from scaler.testing.servers.process import ServerNotStarted, ServerProcess, free_port, server_folder

# A JVM on a busy machine; alone it takes two seconds.
_FORMAT_TIMEOUT_S = 60.0
_CLUSTER_ID = "c2NhbGVyLXRlc3RzLTAwMQ"
_SASL_MECHANISMS = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER"
_LOGIN_MODULES = "org.apache.kafka.common.security"


@dataclass(frozen=True, slots=True)
class KafkaTls:
    """PEM texts of a server's TLS listeners. With `client_ca` they ask clients for a certificate."""

    cert: str
    key: str
    client_ca: str = ""


def kafka_jars() -> Path:
    """Return the folder of Kafka's jars.

    Raises:
        ServerNotStarted: They or a Java are missing.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = Path(os.environ.get("SCALER_KAFKA_HOME") or cache / "scaler" / "kafka")
    if not (home / "libs").is_dir() or shutil.which("java") is None:
        raise ServerNotStarted(f"no Kafka in {home} or no Java: run .ci/install-servers")
    return home / "libs"


class KafkaServer(ServerProcess):
    """A Kafka on loopback ports, one for each kind of listener. Topics and offsets outlive `stop()` and `kill()`.

    Attributes:
        node: Its number in its cluster.
        controller_port: Where the cluster's controller listens.
        sasl_port: The listener for SASL without TLS.
        tls_port: The listener for TLS without SASL.
        sasl_tls_port: The listener for both.
    """

    def __init__(
        self,
        folder: Path,
        *,
        users: Mapping[str, str] | None = None,
        tls: KafkaTls | None = None,
        acls: bool = False,
        advertised_port: int | None = None,
        joins: KafkaServer | None = None,
    ) -> None:
        super().__init__(folder)
        self._users = dict(users or {})
        self._tls = tls
        self._acls = acls
        self._advertised_port = advertised_port
        self._joins = joins
        self.node: int = 1 if joins is None else joins.node + 1
        self.controller_port: int = free_port() if joins is None else joins.controller_port
        self.sasl_port = free_port()
        self.tls_port = free_port()
        self.sasl_tls_port = free_port()

    @classmethod
    @contextmanager
    def running(
        cls,
        *,
        users: Mapping[str, str] | None = None,
        tls: KafkaTls | None = None,
        acls: bool = False,
        advertised_port: int | None = None,
        joins: KafkaServer | None = None,
    ) -> Iterator[Self]:
        """Start a server and stop it on exit.

        Args:
            users: Passwords by name, for PLAIN and both SCRAMs.
            tls: Have TLS listeners, too.
            acls: Let in whoever comes by SASL or TLS, but allow them nothing.
            advertised_port: Where clients without SASL and TLS are sent, such as to a proxy of a test.
            joins: Be one more broker of this one's cluster; the first of all is its controller.
        """
        with server_folder("kafka") as folder:
            made = cls(folder, users=users, tls=tls, acls=acls, advertised_port=advertised_port, joins=joins)
            with cls._run(made) as server:
                yield server

    @property
    def address(self) -> str:
        """host:port of the listener without SASL and TLS, as triggers take it."""
        return f"{self.host}:{self.port}"

    @property
    def sasl_address(self) -> str:
        """host:port of the listener with SASL."""
        return f"{self.host}:{self.sasl_port}"

    @property
    def tls_address(self) -> str:
        """host:port of the listener with TLS."""
        return f"{self.host}:{self.tls_port}"

    @property
    def sasl_tls_address(self) -> str:
        """host:port of the listener with SASL and TLS."""
        return f"{self.host}:{self.sasl_tls_port}"

    def start(self) -> None:
        """Start it and wait until it answers; the first time on a new cluster."""
        if not (self.folder / "data").exists():
            self._format()
        super().start()

    def command(self) -> Sequence[str]:
        """Return the program; its settings, which hold the passwords, stand in a file."""
        return [
            *_java("-Xmx512m", "-Xms128m", "-XX:+UseSerialGC"),
            f"-Dorg.slf4j.simpleLogger.defaultLogLevel={os.environ.get('SCALER_KAFKA_LOG_LEVEL', 'warn')}",
            "kafka.Kafka",
            str(self._settings()),
        ]

    def answers(self) -> bool:
        """Whether it accepts connections; it opens its listeners when it is ready to serve."""
        try:
            socket.create_connection((self.host, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def _format(self) -> None:
        scram = [
            f"{mechanism}=[name={user},password={password}]"
            for user, password in self._users.items()
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
        ]
        command = [
            *_java(),
            "kafka.tools.StorageTool",
            *("format", "-t", _CLUSTER_ID, "-c", str(self._settings())),
            *(part for each in scram for part in ("--add-scram", each)),
        ]
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_FORMAT_TIMEOUT_S, check=False
        )
        if done.returncode:
            raise ServerNotStarted(f"kafka-storage failed: {done.stderr[-2000:].decode(errors='replace')}")

    def _settings(self) -> Path:
        listeners = {"PLAINTEXT": self.port, "SASL_PLAINTEXT": self.sasl_port}
        if self._tls is not None:
            listeners |= {"SSL": self.tls_port, "SASL_SSL": self.sasl_tls_port}
        advertised = {**listeners, "PLAINTEXT": self._advertised_port or self.port}
        protocols = {name: name for name in listeners} | {"CONTROLLER": "PLAINTEXT"}
        if self._joins is None:
            listeners["CONTROLLER"] = self.controller_port
        settings = {
            "process.roles": "broker,controller" if self._joins is None else "broker",
            "node.id": str(self.node),
            "controller.quorum.voters": f"1@{self.host}:{self.controller_port}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listeners": ",".join(f"{name}://{self.host}:{port}" for name, port in listeners.items()),
            "advertised.listeners": ",".join(f"{name}://{self.host}:{port}" for name, port in advertised.items()),
            "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
            "log.dirs": str(self.folder / "data"),
            "num.partitions": "1",
            "auto.create.topics.enable": "true",  # a client that lets topics be created shows
            "offsets.topic.num.partitions": "4",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "log.flush.offset.checkpoint.interval.ms": "1000",
            # A broker that starts again must wait until its former life is forgotten. One that a busy machine holds up
            # for less keeps its partitions.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "200",
            "sasl.enabled.mechanisms": _SASL_MECHANISMS,
            **self._sasl_settings(),
            **self._tls_settings(),
        }
        if self._acls:
            settings["authorizer.class.name"] = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
            settings["super.users"] = "User:ANONYMOUS"
        file = self.folder / "server.properties"
        file.touch(mode=0o600)
        file.write_text("".join(f"{name}={_escaped(value)}\n" for name, value in settings.items()))
        return file

    def _sasl_settings(self) -> dict[str, str]:
        passwords = " ".join(f'user_{user}="{password}"' for user, password in self._users.items())
        modules = {
            "plain": f"{_LOGIN_MODULES}.plain.PlainLoginModule required {passwords};",
            "scram-sha-256": f"{_LOGIN_MODULES}.scram.ScramLoginModule required;",
            "scram-sha-512": f"{_LOGIN_MODULES}.scram.ScramLoginModule required;",
            "oauthbearer": f"{_LOGIN_MODULES}.oauthbearer.OAuthBearerLoginModule required "
            'unsecuredLoginStringClaim_sub="broker";',
        }
        return {
            f"listener.name.{listener}.{mechanism}.sasl.jaas.config": module
            for listener in ("sasl_plaintext", "sasl_ssl")
            for mechanism, module in modules.items()
        }

    def _tls_settings(self) -> dict[str, str]:
        if self._tls is None:
            return {}
        settings = {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.certificate.chain": self._tls.cert,
            "ssl.keystore.key": self._tls.key,
        }
        if self._tls.client_ca:
            settings |= {
                "ssl.truststore.type": "PEM",
                "ssl.truststore.certificates": self._tls.client_ca,
                "listener.name.ssl.ssl.client.auth": "required",
            }
        return settings


def _java(*options: str) -> list[str]:
    return ["java", *options, "-XX:TieredStopAtLevel=1", "-cp", f"{kafka_jars()}/*"]


def _escaped(value: str) -> str:
    """Return a value on one line of a properties file."""
    return value.replace("\\", "\\\\").replace("\n", "\\n")
