"""Where the ingress keeps its files: a folder of the state dir, and one in it for the embedded Envoy."""

from __future__ import annotations

from pathlib import Path

# Proxies connect to it: mount the folder, not the socket, into a container, as each run makes the socket anew.
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
