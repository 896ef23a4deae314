"""Pairs of a certificate and its key in the ingress' folder: which files they are, and whether they can be used."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TypeAlias

# The name of the pair that serves hosts without one of their own.
DEFAULT = "default"

# The certificate with its chain, and its private key, both PEM.
Pair: TypeAlias = tuple[Path, Path]


def pair(folder: Path, name: str) -> Pair:
    """Return the files of a pair, whether or not they are there."""
    return folder / f"{name}.crt", folder / f"{name}.key"


def check(files: Pair) -> None:
    """Find out whether the files load and belong together.

    Raises:
        OSError: They do not, one cannot be read, or the key has a password; an `ssl.SSLError` tells the `reason`.
    """
    # A password is asked for on the terminal unless there is one; a wrong one is an error.
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*files, password="")
