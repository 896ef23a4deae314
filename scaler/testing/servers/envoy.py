"""A bare Envoy with a static configuration: every request goes to one backend."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from scaler.ingress.envoy.process import executable
from scaler.testing.polling import accepts
from scaler.testing.servers.process import ServerProcess, server_folder

_EXTENSIONS = "type.googleapis.com/envoy.extensions"
_LIMITS = {"circuit_breakers": {"thresholds": [{"max_connections": 100_000, "max_pending_requests": 100_000,
                                                "max_requests": 100_000}]}}  # fmt: skip


class EnvoyServer(ServerProcess):
    """One Envoy before one backend."""

    def __init__(self, folder: Path, backend_port: int, *, http2: bool, concurrency: int) -> None:
        super().__init__(folder)
        self._backend_port = backend_port
        self._http2 = http2
        self._concurrency = concurrency

    @classmethod
    @contextmanager
    def running(cls, backend_port: int, *, http2: bool = False, concurrency: int = 1) -> Iterator[Self]:
        """Start an Envoy and stop it on exit.

        Args:
            backend_port: Where requests go, on loopback.
            http2: The backend speaks HTTP/2.
            concurrency: Worker threads.
        """
        with (
            server_folder("envoy") as folder,
            cls._run(cls(folder, backend_port, http2=http2, concurrency=concurrency)) as server,
        ):
            yield server

    def command(self) -> Sequence[str]:
        """See `ServerProcess.command`."""
        return [
            *(str(executable()), "--config-yaml", json.dumps(self._configuration()), "--disable-hot-restart"),
            *("--concurrency", str(self._concurrency), "--log-level", "warning"),
        ]

    def answers(self) -> bool:
        """See `ServerProcess.answers`."""
        return accepts(self.host, self.port)

    def _configuration(self) -> dict[str, object]:
        routes = [{"match": {"prefix": "/"}, "route": {"cluster": "backend", "timeout": "0s"}}]
        manager = {
            "@type": f"{_EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "bare",
            "use_remote_address": True,
            "upgrade_configs": [{"upgrade_type": "websocket"}],
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
            "http_filters": [
                {"name": "router", "typed_config": {"@type": f"{_EXTENSIONS}.filters.http.router.v3.Router"}}
            ],
        }
        cluster: dict[str, object] = {
            "name": "backend",
            "type": "STATIC",
            "load_assignment": {
                "cluster_name": "backend",
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(self._backend_port)}}]}],
            },
            **_LIMITS,
        }
        if self._http2:
            protocol = f"{_EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions"
            cluster["typed_extension_protocol_options"] = {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": protocol,
                    "explicit_http_config": {"http2_protocol_options": {}},
                }
            }
        chain = {"filters": [{"name": "http", "typed_config": manager}]}
        listener = {"name": "all", "address": _address(self.port), "filter_chains": [chain]}
        return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
