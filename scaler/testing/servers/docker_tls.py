"""A container engine that takes connections by its socket, and by TCP with TLS from those with a certificate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from scaler.testing.servers.docker import DockerServer
from scaler.testing.servers.process import free_port, server_folder

if TYPE_CHECKING:
    import trustme


def write_certificates(
    folder: Path, ca: trustme.CA, *, name: str = "client", trusted: trustme.CA | None = None
) -> Path:
    """Make a folder as `DOCKER_CERT_PATH` has it, and return it.

    Args:
        folder: The new folder.
        ca: Signs the certificate.
        name: Whose it is: a host or an address.
        trusted: Whose certificates are accepted; `ca` when not given.
    """
    folder.mkdir()
    own = ca.issue_cert(name)
    (trusted or ca).cert_pem.write_to_path(folder / "ca.pem")
    own.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    own.private_key_pem.write_to_path(folder / "key.pem")
    return folder


class TlsDockerServer(DockerServer):
    """A private engine.

    Attributes:
        tcp: Where it speaks TLS.
        ca: Who signed its certificate, and signs those of its clients.
        image: An image that runs until it is told to stop.
    """

    image = "scaler-test-access:1"

    def __init__(self, folder: Path, ca: trustme.CA) -> None:
        self.ca = ca
        self.tcp = f"tcp://127.0.0.1:{free_port()}"
        files = write_certificates(folder / "certificates", ca, name="127.0.0.1")
        pems = (f"--tlscacert={files}/ca.pem", f"--tlscert={files}/cert.pem", f"--tlskey={files}/key.pem")
        super().__init__(private=True, options=[f"--host={self.tcp}", "--tlsverify", *pems])

    @classmethod
    @contextmanager
    def running(cls, ca: trustme.CA) -> Iterator[Self]:
        """Start one, with its image, and stop it on exit."""
        with server_folder("docker-tls") as folder, cls(folder, ca) as engine:
            engine.busybox_image(cls.image, "trap 'exit 0' TERM; while :; do sleep 0.1; done")
            yield engine

    def replicas(self) -> list[str]:
        """Return the names of containers of services that run."""
        with self.client() as client:
            return [row["Names"][0] for row in client.containers(filters={"label": "io.scaler.workload"})]
