"""TLS from PEM text, as KEDA's authentication parameters give it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom to trust and what to show.

    Attributes:
        ca: PEM certificates to trust besides the system's.
        cert: PEM client certificate; with `key`.
        key: PEM private key.
        key_password: Password of an encrypted key.
        verify: Check the server's certificate and name.
    """

    ca: str
    cert: str
    key: SecretStr
    key_password: SecretStr
    verify: bool

    @property
    def has_material(self) -> bool:
        """Whether any certificate or key was given."""
        return bool(self.ca or self.cert or self.key or self.key_password)

    def check(self) -> None:
        """See that what was given can be used.

        Raises:
            ValueError: It cannot; the text holds none of it.
        """
        if bool(self.cert) != bool(self.key):
            raise ValueError("expected both cert and key, or neither")
        if self.has_material:
            self._load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    def context(self) -> ssl.SSLContext:
        """Return the context for a client."""
        context = ssl.create_default_context()
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self._load_into(context)
        return context

    def _load_into(self, context: ssl.SSLContext) -> None:
        if self.ca:
            try:
                context.load_verify_locations(cadata=self.ca)
            except (ssl.SSLError, ValueError):
                raise ValueError("expected ca to hold PEM certificates") from None
        if self.cert:
            self._load_key_pair(context)

    def _load_key_pair(self, context: ssl.SSLContext) -> None:
        # ssl takes key pairs from files only: they exist for this moment, readable by this user alone.
        with TemporaryDirectory(prefix="scaler-tls-") as folder:
            cert, key = Path(folder, "cert.pem"), Path(folder, "key.pem")
            cert.write_text(self.cert)
            key.touch(mode=0o600)
            key.write_text(self.key.get_secret_value())
            try:
                context.load_cert_chain(cert, key, password=self.key_password.get_secret_value)
            except (ssl.SSLError, ValueError):
                raise ValueError("expected cert and key to be a matching PEM pair that keyPassword opens") from None
