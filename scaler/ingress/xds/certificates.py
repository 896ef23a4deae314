"""Certificates of the TLS listener: read from files and checked before Envoy gets them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from scaler import certificates


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
    chain, key = certificates.pair(folder, name)
    try:
        certificates.check((chain, key))
        return Certificate(name, chain.read_bytes(), key.read_bytes())
    except OSError as error:  # ssl.SSLError is one
        reason = getattr(error, "reason", None) or error.strerror or str(error)
        raise CertificateUnusable(f"certificate {name!r} ({chain}, {key}): {reason}") from error
