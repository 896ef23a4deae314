"""nginx and HAProxy in front of one backend, one worker each, with keep-alive on both sides; and nginx as a backend."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from scaler.testing.polling import accepts
from scaler.testing.servers.process import ServerProcess, server_folder

_NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log stderr error;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  {servers}
}}
"""
_ANSWERING = (
    'server {{ listen 127.0.0.1:{port} backlog=16384; location / {{ return 200 "hello from the backend\\n"; }} }}'
)
_PROXYING = """\
upstream backend {{ server 127.0.0.1:{backend}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=16384;
    location / {{ proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
"""
_HAPROXY = """\
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  option http-keep-alive
  http-reuse always
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen all
  bind 127.0.0.1:{port} backlog 16384
  server backend 127.0.0.1:{backend}
"""


def backend_command(folder: Path) -> list[str]:
    """Return what runs nginx as an app: it answers at `PORT`, and writes that number to `port` in the folder."""
    template = _NGINX.format(folder=folder, servers=_ANSWERING.format(port="@PORT@"))
    (folder / "backend.template").write_text(template)
    quoted = shlex.quote(str(folder))
    lines = (
        f"cd {quoted}",
        'sed "s/@PORT@/$PORT/" backend.template >backend.conf',
        'printf %s "$PORT" >port',
        f"exec nginx -e stderr -p {quoted} -c backend.conf",
    )
    return ["sh", "-c", " && ".join(lines)]


class _Proxy(ServerProcess):
    def __init__(self, folder: Path, backend_port: int) -> None:
        super().__init__(folder)
        self.backend_port = backend_port

    @classmethod
    @contextmanager
    def running(cls, backend_port: int) -> Iterator[Self]:
        """Start one in front of a backend on loopback, and stop it on exit."""
        with server_folder("proxy") as folder, cls._run(cls(folder, backend_port)) as server:
            yield server

    def answers(self) -> bool:
        """See `ServerProcess.answers`."""
        return accepts(self.host, self.port)


class Nginx(_Proxy):
    """nginx as a proxy."""

    def command(self) -> Sequence[str]:
        """See `ServerProcess.command`."""
        servers = _PROXYING.format(backend=self.backend_port, port=self.port)
        (self.folder / "nginx.conf").write_text(_NGINX.format(folder=self.folder, servers=servers))
        return ["nginx", "-e", "stderr", "-p", str(self.folder), "-c", "nginx.conf"]


class HAProxy(_Proxy):
    """HAProxy."""

    def command(self) -> Sequence[str]:
        """See `ServerProcess.command`."""
        config = self.folder / "haproxy.cfg"
        config.write_text(_HAPROXY.format(backend=self.backend_port, port=self.port))
        return ["haproxy", "-db", "-f", str(config)]
