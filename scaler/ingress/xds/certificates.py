"""Certificates of the TLS listener: read from files and checked before Envoy gets them."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

# The name of the pair that serves hosts without one of their own.
DEFAULT = "default"


class CertificateUnusable(ValueError):
    """A pair of files is missing, does not load, or does not belong together."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its chain, and its private key, both PEM."""

    name: str
    chain: bytes = field(repr=False)
    key: bytes = field(repr=False)


def load(folder: Path | None, name: str) -> Certificate:
    """Return the pair `NAME.crt` and `NAME.key` of a folder.

    Raises:
        CertificateUnusable: It is not there, cannot be read, is encrypted, or the key is that of another certificate.
    """
    if folder is None:
        raise CertificateUnusable(f"certificate {name!r}: no folder of certificates is configured")
    if not name or Path(name).name != name:
        raise CertificateUnusable(f"certificate {name!r}: not the name of a file")
    chain, key = folder / f"{name}.crt", folder / f"{name}.key"
    try:
        # A password is asked for on the terminal unless there is one; a wrong one is an error.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key, password="")
        return Certificate(name, chain.read_bytes(), key.read_bytes())
    except OSError as error:  # ssl.SSLError is one
        reason = getattr(error, "reason", None) or error.strerror or str(error)
        raise CertificateUnusable(f"certificate {name!r} ({chain}, {key}): {reason}") from error
