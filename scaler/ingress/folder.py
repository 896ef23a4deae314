"""Where the ingress keeps its files: a folder of the state dir, and one in it for the embedded Envoy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scaler.ports.errors import ConfigError

# Proxies connect to them: mount the folder, not the sockets, into a container, as each run makes the sockets anew.
CONTROL_SOCKET = "control.sock"
# What a socket's address can hold; see unix(7).
MAX_SOCKET_PATH_BYTES = 107


def of(state_dir: Path) -> Path:
    """Return the folder of the ingress; it may not be there yet."""
    return state_dir / "ingress"


def of_envoy(folder: Path) -> Path:
    """Return the embedded Envoy's own folder, which is its working directory too."""
    return folder / "envoy"


def make(folder: Path) -> Path:
    """Make a folder that only its owner can enter, and return it.

    Raises:
        OSError: It cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    return folder


@contextmanager
def reached(folder: Path) -> Iterator[Path]:
    """Make the folder where needed; yield a short path to it, since a socket's address cannot hold any.

    What was made there has to go before the block ends.

    Raises:
        ConfigError: It cannot be made.
    """
    try:
        descriptor = os.open(make(folder), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigError(f"the folder {folder} cannot be used: {error.strerror}") from error
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
