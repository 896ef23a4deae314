"""A real OpenSSH server on a loopback port, with keys of its own, and the `ssh` that knows it."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from scaler.testing.polling import accepts
from scaler.testing.servers.process import ServerNotStarted, ServerProcess, server_folder

# Where sshd, run by root, wants an empty folder.
_SEPARATION = Path("/run/sshd")


class SshServer(ServerProcess):
    """Lets the user who runs the tests in, with the one key that its `client` uses.

    Attributes:
        known_hosts: The host keys that `client` trusts: this server's.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.known_hosts = folder / "known_hosts"
        self._host_key, self._user_key = folder / "host_key", folder / "user_key"
        for key in (self._host_key, self._user_key):
            self.make_key(key)
        public = self._host_key.with_suffix(".pub").read_text()
        self.known_hosts.write_text(f"[{self.host}]:{self.port} {public}")

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        """Start one and stop it on exit."""
        with server_folder("sshd") as folder, cls._run(cls(folder)) as server:
            yield server

    @staticmethod
    def make_key(path: Path) -> None:
        """Make a pair of keys."""
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)],
            check=True,
            stdin=subprocess.DEVNULL,
        )

    @property
    def host_key(self) -> Path:
        """The server's key; see `make_key`."""
        return self._host_key

    def url(self, socket_path: str) -> str:
        """Return the address of an engine's socket behind it."""
        return f"ssh://{getpass.getuser()}@{self.host}:{self.port}{socket_path}"

    def client(self, folder: Path, *, identity: Path | None = None) -> dict[str, str]:
        """Return the environment in which `ssh` uses this server's keys and no file of the user's own.

        Args:
            folder: Where the program is put that stands for `ssh`, which looks for its files in the home that the
                system has for the user, whatever `HOME` says.
            identity: Another key to log in with.
        """
        config = folder / "ssh_config"
        config.write_text(
            f"IdentityFile {identity or self._user_key}\nIdentitiesOnly yes\nIdentityAgent none\n"
            f"UserKnownHostsFile {self.known_hosts}\nGlobalKnownHostsFile /dev/null\n"
            # What must not hold: it is the service's word that counts.
            "StrictHostKeyChecking no\n"
        )
        programs = folder / "bin"
        programs.mkdir(exist_ok=True)
        ssh = shutil.which("ssh", path=os.defpath)
        if ssh is None:
            raise ServerNotStarted("no ssh in the system's folders")
        wrapper = programs / "ssh"
        wrapper.write_text(f'#!/bin/sh\nexec {ssh} -F {shlex.quote(str(config))} "$@"\n')
        wrapper.chmod(0o755)
        return {"PATH": f"{programs}:{os.environ['PATH']}"}

    def command(self) -> Sequence[str]:
        """See `ServerProcess.command`."""
        if os.geteuid() == 0:
            _SEPARATION.mkdir(mode=0o755, exist_ok=True)
        authorized = self.folder / "authorized_keys"
        # The least that docs/docker-access.md says is enough.
        authorized.write_text(
            f'restrict,port-forwarding,command="cat" {self._user_key.with_suffix(".pub").read_text()}'
        )
        settings = {
            "ListenAddress": f"{self.host}:{self.port}",
            "HostKey": self._host_key,
            "PidFile": "none",
            "AuthorizedKeysFile": authorized,
            "StrictModes": "no",
            "UsePAM": "no",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "PermitRootLogin": "prohibit-password",
        }
        config = self.folder / "sshd_config"
        config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        # By its full path, which it needs to start itself anew for each connection.
        return ["/usr/sbin/sshd", "-D", "-e", "-f", str(config)]

    def answers(self) -> bool:
        """Whether it accepts connections."""
        return accepts(self.host, self.port)

    def logins(self) -> int:
        """Return how often somebody was let in since the latest start."""
        return self.log.read_text(errors="replace").count("Accepted publickey")
