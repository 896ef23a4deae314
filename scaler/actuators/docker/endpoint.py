"""Which engine is meant: `DOCKER_HOST` with its companions, else docker's current context, else the local socket."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

from docker.tls import TLSConfig

from scaler.ports.errors import ConfigError

LOCAL = "unix:///var/run/docker.sock"
_SCHEMES = ("unix", "tcp", "http", "https", "ssh")
_MTLS = ("cert.pem", "key.pem")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One engine's address.

    Attributes:
        url: As `DOCKER_HOST` has it.
        tls: Certificates to use, if any; the engine's own is always checked.
        source: What named it; empty where nothing did and this is docker's default.
    """

    url: str
    tls: TLSConfig | None = None
    source: str = ""

    @classmethod
    def of_environment(cls, environment: Mapping[str, str], home: Path) -> Self:
        """Return what the docker command would use.

        Args:
            environment: `DOCKER_HOST`, `DOCKER_TLS_VERIFY`, `DOCKER_CERT_PATH`, `DOCKER_CONTEXT`, `DOCKER_CONFIG`.
            home: Where `.docker` is, unless `DOCKER_CONFIG` says otherwise.

        Raises:
            ConfigError: It is not an address, or a context or certificate is missing.
        """
        folder = Path(environment.get("DOCKER_CONFIG") or home / ".docker")
        if url := environment.get("DOCKER_HOST"):
            certificates = environment.get("DOCKER_CERT_PATH")
            wanted = environment.get("DOCKER_TLS_VERIFY") or certificates
            tls = _tls(Path(certificates or folder), "DOCKER_CERT_PATH") if wanted and _is_tcp(url) else None
            return cls(_checked(url, "DOCKER_HOST"), tls, "DOCKER_HOST")
        name = environment.get("DOCKER_CONTEXT") or _current_context(folder)
        return cls._of_context(folder, name) if name not in {"", "default"} else cls(LOCAL)

    @classmethod
    def _of_context(cls, folder: Path, name: str) -> Self:
        source = f"docker context {name!r}"
        identity = hashlib.sha256(name.encode()).hexdigest()
        try:
            described: Any = json.loads((folder / "contexts" / "meta" / identity / "meta.json").read_text())
            engine = described["Endpoints"]["docker"]
            url, unchecked = str(engine["Host"]), bool(engine.get("SkipTLSVerify"))
        except FileNotFoundError:
            raise ConfigError(f"there is no {source}; `docker context ls` lists them") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"the {source} cannot be read: {type(error).__name__}") from error
        if unchecked:
            raise ConfigError(f"the {source} has --skip-tls-verify, which is not supported: give it a CA")
        certificates = folder / "contexts" / "tls" / identity / "docker"
        tls = _tls(certificates, source) if certificates.is_dir() and _is_tcp(url) else None
        return cls(_checked(url, source), tls, source)

    @property
    def split(self) -> SplitResult:
        """The address in parts."""
        return urlsplit(self.url)

    @property
    def over_ssh(self) -> bool:
        """Whether the engine's socket is on a machine that is reached over ssh."""
        return self.split.scheme == "ssh"

    @property
    def here(self) -> bool:
        """Whether it is reached at this machine's own addresses or files."""
        if self.split.scheme == "unix":
            return True
        host = self.split.hostname or ""
        try:
            loopback = ipaddress.ip_address(host).is_loopback
        except ValueError:
            loopback = host == "localhost"
        return loopback and not self.over_ssh


def _is_tcp(url: str) -> bool:
    return urlsplit(url).scheme in {"tcp", "http", "https"}


def _checked(url: str, source: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise ConfigError(f"{source} is no address of an engine: expected one of {', '.join(_SCHEMES)} before ://")
    if parts.password is not None:
        raise ConfigError(f"{source} has a password in its address; use a key")
    if parts.scheme != "unix" and not parts.hostname:
        raise ConfigError(f"{source} names no host")
    return url


def _tls(folder: Path, source: str) -> TLSConfig:
    """Return what a folder has: `ca.pem`, and `cert.pem` with `key.pem` where the engine asks for them."""
    pair = [folder / name for name in _MTLS if (folder / name).is_file()]
    if len(pair) == 1 or not (folder / "ca.pem").is_file():
        expected = "ca.pem, and both or neither of cert.pem and key.pem"
        raise ConfigError(f"{source}: the folder {folder} has not all certificates, expected {expected}")
    mine = (str(pair[0]), str(pair[1])) if pair else None
    return TLSConfig(client_cert=mine, ca_cert=str(folder / "ca.pem"), verify=True)


def _current_context(folder: Path) -> str:
    try:
        return str(json.loads((folder / "config.json").read_text()).get("currentContext") or "")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(f"{folder / 'config.json'} cannot be read: {type(error).__name__}") from error
