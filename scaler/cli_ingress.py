"""The options of the ingress, and the command for those who run Envoy themselves."""

from __future__ import annotations

import ipaddress
import json
import os
from pathlib import Path
from typing import Annotated

import typer

from scaler.cli_options import StateDir, errors_as_exit_codes
from scaler.ingress import folder as ingress_folder
from scaler.ingress.envoy.bootstrap import DEFAULT_MAX_CONNECTIONS, Bootstrap
from scaler.ingress.settings import IngressSettings, Listen
from scaler.ports.errors import ConfigError

_LAST_PORT = 65535

DEFAULT_INGRESS = str(IngressSettings().external)
External = Annotated[str, typer.Option("--ingress", help="HOST:PORT where apps with external ingress are reached.")]
Tls = Annotated[str | None, typer.Option("--ingress-tls", help="HOST:PORT where they are reached by HTTPS.")]
Internal = Annotated[
    list[str] | None,
    typer.Option("--ingress-internal", help="HOST:PORT where apps reach each other; may be given several times."),
]
Certificates = Annotated[
    Path | None, typer.Option("--certificates", help="Folder of NAME.crt and NAME.key; `default` is for all others.")
]
EnvoyConcurrency = Annotated[
    int | None, typer.Option("--envoy-concurrency", min=1, help="Envoy's worker threads; one per core by default.")
]
ExternalEnvoy = Annotated[
    bool, typer.Option("--external-envoy", help="Start no Envoy: others run one; see `scaler envoy-bootstrap`.")
]

app = typer.Typer()


def parse_settings(
    *,
    external: str = DEFAULT_INGRESS,
    tls: str | None = None,
    internal: list[str] | None = None,
    certificates: Path | None = None,
    concurrency: int | None = None,
    external_envoy: bool = False,
) -> IngressSettings:
    """Return what the options ask for.

    Raises:
        ConfigError: An address is none, or stands there twice; there is no such folder.
    """
    settings = IngressSettings(
        external=parse_listen("--ingress", external),
        tls=None if tls is None else parse_listen("--ingress-tls", tls),
        internal=tuple(parse_listen("--ingress-internal", each) for each in internal or ()),
        certificates=None if certificates is None else certificates.absolute(),
        concurrency=concurrency,
        external_envoy=external_envoy,
    )
    listens = [settings.external, *([settings.tls] if settings.tls else []), *settings.internal]
    for listen in listens:
        if listens.count(listen) > 1:
            raise ConfigError(f"the ingress cannot listen on {listen} for two things; give each a port of its own")
    if settings.certificates is not None and not settings.certificates.is_dir():
        raise ConfigError(f"--certificates {certificates} is no folder")
    if settings.tls is not None and settings.certificates is None:
        raise ConfigError("--ingress-tls needs certificates; name their folder with --certificates")
    return settings


def parse_listen(option: str, text: str) -> Listen:
    """Return an address of the form `HOST:PORT`, with the host as an IP address.

    Raises:
        ConfigError: It is none; `option` names it in the text.
    """
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) <= _LAST_PORT:
        raise ConfigError(f"{option} {text!r} is not HOST:PORT with a port from 1 to {_LAST_PORT}")
    if host == "localhost":
        host = "127.0.0.1"
    try:
        return Listen(str(ipaddress.ip_address(host)), int(port))
    except ValueError:
        raise ConfigError(f"{option} {text!r}: {host!r} is no IP address; 0.0.0.0 is all of this machine's") from None


@app.command(name="envoy-bootstrap")
def envoy_bootstrap(
    state_dir: StateDir,
    *,
    socket: Annotated[
        str | None,
        typer.Option(help="Path of control.sock as Envoy sees it, as in a container; else the state dir's."),
    ] = None,
    node: Annotated[str, typer.Option(help="Name of this Envoy; each needs one of its own.")] = "envoy",
    admin: Annotated[
        str | None, typer.Option(help="HOST:PORT of Envoy's administration, which can end it; none by default.")
    ] = None,
    max_connections: Annotated[
        int, typer.Option(min=1, help="Clients' connections at once; at most half of Envoy's file descriptors.")
    ] = DEFAULT_MAX_CONNECTIONS,
) -> None:
    """Print the bootstrap for an Envoy that you run yourself, beside `scaler run --external-envoy`."""
    with errors_as_exit_codes():
        bootstrap = Bootstrap(
            control_socket=socket or str(ingress_folder.of(state_dir).absolute() / ingress_folder.CONTROL_SOCKET),
            node=node,
            admin=None if admin is None else parse_listen("--admin", admin),
            max_connections=max_connections,
        )
        _check_length(bootstrap.control_socket)
    typer.echo(json.dumps(bootstrap.as_json(), indent=2))


def _check_length(path: str) -> None:
    if len(os.fsencode(path)) > ingress_folder.MAX_SOCKET_PATH_BYTES:
        raise ConfigError(
            f"the socket's path {path} is longer than {ingress_folder.MAX_SOCKET_PATH_BYTES} bytes, which Envoy cannot"
            " reach; use a shorter --state-dir, or give --socket a path relative to Envoy's working directory"
        )
