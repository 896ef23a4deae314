"""The parameters that the Redis triggers share: KEDA's names for addresses, credentials and TLS."""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from scaler.clients.tls import Tls
from scaler.ports.parameters import Boolean, NotNegativeInteger, Refused
from scaler.ports.scaler import ScalerConfig
from scalers.redis.servers import Cluster, Endpoint, Sentinels, Server

_MAX_PORT = 65535
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s:/@,\[\]]*):(?P<port>[0-9]+)", re.ASCII)
NO_SECRET = SecretStr("")


def parameter(name: str, description: str, default: Any = None, *, sources: str = "M", also: str | None = None) -> Any:
    """Return a field under KEDA's name; `also` is another that KEDA takes."""
    return Field(
        default,
        validation_alias=AliasChoices(name, also) if also else name,
        description=description,
        json_schema_extra={"sources": sources},
    )


def refused(name: str) -> Any:
    """Return a field that a type marked `Refused` goes with."""
    return Field(None, validation_alias=name, json_schema_extra={"sources": "MEA"})


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= _MAX_PORT):
        raise ValueError(f"expected a port from 1 to {_MAX_PORT}")
    return int(text)


def _endpoint(address: str) -> Endpoint:
    """Parse it, saying what is wrong without repeating it: there may be a password in it."""
    if "," in address:
        raise ValueError("expected one address as host:port; several are for redis-cluster and redis-sentinel")
    if "://" in address:
        raise ValueError("expected host:port without a scheme; enableTLS is for rediss")
    if "@" in address:
        raise ValueError("expected host:port without credentials; username and password are for these")
    if (match := _ADDRESS.fullmatch(address)) is None:
        raise ValueError("expected host:port")
    # An address without a host, ":6379", is this machine, as everywhere in Go.
    return match["host"].strip("[]") or "localhost", _port(match["port"])


def _parts(listed: str) -> list[str]:
    return [part.strip() for part in listed.split(",")]


_OfSeveral: TypeAlias = Annotated[
    SkipJsonSchema[None], Refused("it belongs to redis-cluster and redis-sentinel and their streams types")
]
OfSentinels: TypeAlias = Annotated[
    SkipJsonSchema[None], Refused("it belongs to redis-sentinel and redis-sentinel-streams")
]


class SourceConfig(ScalerConfig):
    """Who asks, and whether over TLS."""

    username: str = parameter("username", "ACL user", "", sources="MEA")
    password: SecretStr = parameter("password", "password of the user", NO_SECRET, sources="MEA")
    enable_tls: Boolean | None = parameter("enableTLS", "connect with TLS")
    auth_tls: Literal["enable", "disable"] | None = parameter(
        "tls", "the same as enableTLS, from an authentication", sources="A"
    )
    unsafe_ssl: Boolean = parameter("unsafeSsl", "do not verify the server's certificate", default=False)
    ca: str = parameter("ca", "PEM certificates to trust besides the system's", "", sources="A")
    cert: str = parameter("cert", "PEM client certificate, together with key", "", sources="A", also="Cert")
    key: SecretStr = parameter("key", "PEM private key of the client certificate", NO_SECRET, sources="A")
    key_password: SecretStr = parameter("keyPassword", "password of the private key", NO_SECRET, sources="A")

    @abstractmethod
    def source(self) -> Server | Cluster | Sentinels:
        """Return what to connect to."""

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        self.source()
        if (tls := self.tls()) is not None:
            tls.check()
        return self

    def tls(self) -> Tls | None:
        """Return what to connect with, or None to do so in the clear."""
        if self.enable_tls is not None and self.auth_tls is not None:
            raise ValueError("expected enableTLS or the authentication parameter tls, not both")
        tls = Tls(self.ca, self.cert, self.key, self.key_password, verify=not self.unsafe_ssl)
        if not (self.enable_tls or self.auth_tls == "enable"):
            if tls.has_material:
                raise ValueError("expected enableTLS or tls: ca, cert and key have no effect without TLS")
            return None
        return tls


class ServerConfig(SourceConfig):
    """One server. Either `address`, or `host` and `port`."""

    address: str | None = parameter("address", "host:port of the server", sources="MEA")
    host: str | None = parameter("host", "host of the server, together with port", sources="MEA")
    port: str | int | None = parameter("port", "port of the server, together with host", sources="MEA")
    database_index: NotNegativeInteger = parameter("databaseIndex", "number of the database", 0)

    addresses: _OfSeveral = refused("addresses")
    hosts: _OfSeveral = refused("hosts")
    ports: _OfSeveral = refused("ports")
    sentinel_master: OfSentinels = refused("sentinelMaster")
    sentinel_username: OfSentinels = refused("sentinelUsername")
    sentinel_password: OfSentinels = refused("sentinelPassword")

    @field_validator("address")
    @classmethod
    def _check_address(cls, address: str | None) -> str | None:
        if address is not None:
            _endpoint(address)
        return address

    @field_validator("port")
    @classmethod
    def _check_port(cls, port: str | int | None) -> str | int | None:
        if port is not None:
            _port(str(port))
        return port

    def source(self) -> Server:
        """Return the server."""
        host, port = self._where()
        return Server(host, port, self.database_index, self.username, self.password, self.tls())

    def _where(self) -> Endpoint:
        if self.address is None:
            if self.host is None or self.port is None:
                raise ValueError("expected an address (host:port), or both host and port")
            return self.host, int(self.port)
        if self.host is not None or self.port is not None:
            raise ValueError("expected either an address, or host and port, not both")
        return _endpoint(self.address)


class SeveralServersConfig(SourceConfig):
    """Several servers. Either `addresses`, or `hosts` and `ports`."""

    addresses: str | None = parameter("addresses", "host:port, comma-separated", sources="MEA", also="address")
    hosts: str | None = parameter("hosts", "hosts, comma-separated, together with ports", sources="MEA", also="host")
    ports: str | int | None = parameter(
        "ports", "one port for each of hosts, comma-separated", sources="MEA", also="port"
    )

    @field_validator("addresses")
    @classmethod
    def _check_addresses(cls, addresses: str | None) -> str | None:
        for address in _parts(addresses) if addresses is not None else ():
            _endpoint(address)
        return addresses

    @field_validator("ports")
    @classmethod
    def _check_ports(cls, ports: str | int | None) -> str | int | None:
        for port in _parts(str(ports)) if ports is not None else ():
            _port(port)
        return ports

    def endpoints(self) -> list[Endpoint]:
        """Return each once, sorted: their order has no meaning, and is not to make two clients of one."""
        if self.addresses is None:
            if self.hosts is None or self.ports is None:
                raise ValueError("expected addresses (host:port,host:port), or both hosts and ports")
            hosts, ports = _parts(self.hosts), _parts(str(self.ports))
            if len(hosts) != len(ports) or not all(hosts):
                raise ValueError("expected as many hosts as ports")
            return sorted({(host.strip("[]"), int(port)) for host, port in zip(hosts, ports, strict=True)})
        if self.hosts is not None or self.ports is not None:
            raise ValueError("expected either addresses, or hosts and ports, not both")
        return sorted({_endpoint(address) for address in _parts(self.addresses)})
