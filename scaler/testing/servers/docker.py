"""A container engine for tests, demos and benchmarks: the one that answers, or a private child process."""

from __future__ import annotations

import contextlib
import fcntl
import io
import ipaddress
import os
import secrets
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import docker
import psutil
import requests
from docker.errors import APIError, DockerException
from docker.utils import parse_repository_tag

from scaler.ports.errors import ScalerError

# The smallest userland there is: Debian's busybox-static.
BUSYBOX = Path("/bin/busybox")


class EngineNotAvailable(ScalerError):
    """No engine answers, and none can be started here."""


class DockerServer:
    """A Docker engine, usable as a context manager.

    Args:
        private: Start an engine of its own even if one answers, so that it can be stopped and started again.
        options: Further options of a private engine's `dockerd`.

    A private engine has its own data, socket and bridge in a temporary folder and on a free network, leaves the
    packet filter alone, and takes all its containers with it when it is left. It needs root.
    """

    def __init__(self, *, private: bool = False, options: Sequence[str] = ()) -> None:
        self._always_private = private
        self._options = tuple(options)
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self._bridge = ""
        self.base_url = ""

    @property
    def private(self) -> bool:
        """Whether this engine is a child of ours."""
        return self._folder is not None

    @property
    def runs(self) -> bool:
        """Whether the private engine was started, and not stopped or killed since."""
        return self._process is not None

    def __enter__(self) -> Self:
        url = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        if not self._always_private and _answers(url):
            self.base_url = url
            return self
        if os.geteuid() != 0 or shutil.which("dockerd") is None:
            raise EngineNotAvailable("no Docker engine answers; start one, or install dockerd and run as root")
        self._folder = Path(tempfile.mkdtemp(prefix="scaler-dockerd-"))
        self.base_url = f"unix://{self._folder}/docker.sock"
        try:
            self._bridge = _create_bridge()
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder is None:
            return
        if self._process is not None:
            with contextlib.suppress(DockerException, requests.RequestException), self.client() as client:
                for container in client.containers(all=True, quiet=True):
                    # After a restart the engine sometimes finds a file system busy, for good: see below.
                    with contextlib.suppress(APIError):
                        client.remove_container(container["Id"], force=True, v=True)
            self.stop()
        _end_parts(self._folder)
        if self._bridge:
            subprocess.run(["ip", "link", "delete", self._bridge], check=False)
        for mount in psutil.disk_partitions(all=True):
            if Path(mount.mountpoint).is_relative_to(self._folder):
                subprocess.run(["umount", mount.mountpoint], check=False)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    def client(self) -> docker.APIClient:
        """Return a client of one's own, to be closed by the caller; usable as a context manager."""
        return docker.APIClient(base_url=self.base_url, version="auto")

    def start(self, *, timeout_s: float = 60.0) -> None:
        """Start the private engine and wait until it answers."""
        if self._folder is None or self._process is not None:
            raise RuntimeError("only a private engine that is stopped can be started")
        with (self._folder / "dockerd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    "dockerd",
                    f"--host={self.base_url}",
                    f"--data-root={self._folder}/data",
                    f"--exec-root={self._folder}/exec",
                    f"--pidfile={self._folder}/dockerd.pid",
                    f"--bridge={self._bridge}",
                    "--iptables=false",
                    "--ip6tables=false",
                    "--ip-masq=false",
                    *self._options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + timeout_s
        while not _answers(self.base_url):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                tail = (self._folder / "dockerd.log").read_text(errors="replace")[-2000:]
                raise EngineNotAvailable(f"dockerd did not start:\n{tail}")
            time.sleep(0.05)

    def stop(self, *, timeout_s: float = 60.0) -> None:
        """Stop the private engine, and with it its containers; what it stores stays for the next start."""
        if self._process is None:
            raise RuntimeError("only a private engine that runs can be stopped")
        self._process.terminate()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End the private engine at once, as a crash would (SIGKILL); `start` finds its data again."""
        if self._process is None:
            raise RuntimeError("only a private engine that runs can be killed")
        self._process.kill()
        self._process.wait()
        self._process = None

    def busybox_image(self, name: str, script: str) -> None:
        """Make an image `name` whose default command is `script`, run by busybox's sh; no registry takes part."""
        repository, tag = parse_repository_tag(name)
        with self.client() as client:
            client.import_image(
                src=_busybox_tar(script),
                repository=repository,
                tag=tag or "latest",
                changes=['CMD ["/script"]', "ENV PATH=/bin"],
            )


def _answers(url: str) -> bool:
    path = url.removeprefix("unix://")
    if path != url and not Path(path).exists():
        return False
    try:
        with docker.APIClient(base_url=url, version="auto", timeout=5) as client:
            return bool(client.ping())
    except (DockerException, requests.RequestException):
        return False


def _end_parts(folder: Path) -> None:
    """End what a killed engine left behind: its containerd, and the containers with who watches over them."""
    for part in psutil.process_iter(["cmdline"]):
        if any(str(folder) in argument for argument in part.info["cmdline"] or ()):
            with contextlib.suppress(psutil.NoSuchProcess):
                for process in (*part.children(recursive=True), part):
                    process.kill()


def _create_bridge() -> str:
    """Make a bridge with a network of its own; one process at a time, or two would find the same one free."""
    with (Path(tempfile.gettempdir()) / "scaler-bridges.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _create_bridge_alone()


def _create_bridge_alone() -> str:
    name = f"scaler{secrets.token_hex(3)}"
    taken = [
        ipaddress.ip_interface(f"{address.address}/{address.netmask}").network
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET and address.netmask
    ]
    for third in range(256):
        network = ipaddress.ip_network(f"10.213.{third}.0/24")
        if not any(network.overlaps(other) for other in taken):
            break
    else:
        raise EngineNotAvailable("no free network for a private engine in 10.213.0.0/16")
    # With an address of its own: else the bridge takes a new one as containers join, and those that knew the old one
    # cannot reach it for as long as their neighbour tables last.
    address = "02:" + ":".join(f"{byte:02x}" for byte in secrets.token_bytes(5))
    subprocess.run(["ip", "link", "add", name, "address", address, "type", "bridge"], check=True)
    subprocess.run(["ip", "addr", "add", f"{network[1]}/24", "dev", name], check=True)
    subprocess.run(["ip", "link", "set", name, "up"], check=True)
    return name


def _busybox_tar(script: str) -> bytes:
    listed = subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in ("bin", "tmp", "etc", "www"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        for path, content in (("bin/busybox", BUSYBOX.read_bytes()), ("script", f"#!/bin/sh\n{script}\n".encode())):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
        for applet in listed.stdout.split():
            if applet != "busybox":
                entry = tarfile.TarInfo(f"bin/{applet}")
                entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(entry)
    return buffer.getvalue()
