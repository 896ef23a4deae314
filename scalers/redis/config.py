"""The parameters that both Redis triggers share: KEDA's names for address, credentials and TLS."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator

from scaler.clients.tls import Tls
from scaler.ports.parameters import Boolean, NotNegativeInteger, NotSupportedYet
from scaler.ports.scaler import ScalerConfig

_MAX_PORT = 65535
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s:/@,\[\]]*):(?P<port>[0-9]+)", re.ASCII)
_NO_SECRET = SecretStr("")


@dataclass(frozen=True, slots=True)
class Server:
    """One database of one server as one user: triggers for which these are equal share a connection."""

    host: str
    port: int
    database: int = 0
    username: str = ""
    password: SecretStr = field(default_factory=lambda: _NO_SECRET)
    tls: Tls | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"redis at {host}:{self.port}"


def _parameter(name: str, description: str, default: Any = None, *, sources: str = "M", also: str | None = None) -> Any:
    return Field(
        default,
        validation_alias=AliasChoices(name, also) if also else name,
        description=description,
        json_schema_extra={"sources": sources},
    )


def _check_port(port: str) -> None:
    if not (port.isascii() and port.isdecimal() and 0 < int(port) <= _MAX_PORT):
        raise ValueError(f"expected a port from 1 to {_MAX_PORT}")


class ConnectionConfig(ScalerConfig):
    """Where the server is and who asks. Either `address`, or `host` and `port`."""

    address: str | None = _parameter("address", "host:port of the server", sources="MEA")
    host: str | None = _parameter("host", "host of the server, together with port", sources="MEA")
    port: str | int | None = _parameter("port", "port of the server, together with host", sources="MEA")
    username: str = _parameter("username", "ACL user", "", sources="MEA")
    password: SecretStr = _parameter("password", "password of the user", _NO_SECRET, sources="MEA")
    database_index: NotNegativeInteger = _parameter("databaseIndex", "number of the database", 0)
    enable_tls: Boolean | None = _parameter("enableTLS", "connect with TLS")
    auth_tls: Literal["enable", "disable"] | None = _parameter(
        "tls", "the same as enableTLS, from an authentication", sources="A"
    )
    unsafe_ssl: Boolean = _parameter("unsafeSsl", "do not verify the server's certificate", default=False)
    ca: str = _parameter("ca", "PEM certificates to trust besides the system's", "", sources="A")
    cert: str = _parameter("cert", "PEM client certificate, together with key", "", sources="A", also="Cert")
    key: SecretStr = _parameter("key", "PEM private key of the client certificate", _NO_SECRET, sources="A")
    key_password: SecretStr = _parameter("keyPassword", "password of the private key", _NO_SECRET, sources="A")

    addresses: NotSupportedYet = Field(None, validation_alias="addresses")
    hosts: NotSupportedYet = Field(None, validation_alias="hosts")
    ports: NotSupportedYet = Field(None, validation_alias="ports")
    sentinel_master: NotSupportedYet = Field(None, validation_alias="sentinelMaster")
    sentinel_username: NotSupportedYet = Field(None, validation_alias="sentinelUsername")
    sentinel_password: NotSupportedYet = Field(None, validation_alias="sentinelPassword")

    @field_validator("address")
    @classmethod
    def _check_address(cls, address: str | None) -> str | None:
        """Say what is wrong without repeating it: there may be a password in it."""
        if address is None:
            return None
        if "," in address:
            raise ValueError("expected one address as host:port (several addresses are not supported yet)")
        if "://" in address:
            raise ValueError("expected host:port without a scheme; enableTLS is for rediss")
        if "@" in address:
            raise ValueError("expected host:port without credentials; username and password are for these")
        if (match := _ADDRESS.fullmatch(address)) is None:
            raise ValueError("expected host:port")
        _check_port(match["port"])
        return address

    @field_validator("port")
    @classmethod
    def _check_port(cls, port: str | int | None) -> str | int | None:
        if port is not None:
            _check_port(str(port))
        return port

    @model_validator(mode="after")
    def _check_connection(self) -> Self:
        if (tls := self.server().tls) is not None:
            tls.check()
        return self

    def server(self) -> Server:
        """Return what to connect to."""
        host, port = self._endpoint()
        return Server(host, port, self.database_index, self.username, self.password, self._tls())

    def _endpoint(self) -> tuple[str, int]:
        if self.address is None:
            if self.host is None or self.port is None:
                raise ValueError("expected an address (host:port), or both host and port")
            host, port = self.host, str(self.port)
        elif self.host is not None or self.port is not None:
            raise ValueError("expected either an address, or host and port, not both")
        else:
            host, _, port = self.address.rpartition(":")
            host = host.strip("[]")
        # An address without a host, ":6379", is this machine, as everywhere in Go.
        return host or "localhost", int(port)

    def _tls(self) -> Tls | None:
        if self.enable_tls is not None and self.auth_tls is not None:
            raise ValueError("expected enableTLS or the authentication parameter tls, not both")
        tls = Tls(self.ca, self.cert, self.key, self.key_password, verify=not self.unsafe_ssl)
        if not (self.enable_tls or self.auth_tls == "enable"):
            if tls.has_material:
                raise ValueError("expected enableTLS or tls: ca, cert and key have no effect without TLS")
            return None
        return tls
