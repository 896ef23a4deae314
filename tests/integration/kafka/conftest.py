"""Servers and certificates for the tests of the Kafka scalers. A JVM is slow to start: one server for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from scaler.testing.servers.kafka import KafkaServer, KafkaTls
from scaler.testing.servers.kafka_records import KafkaRecords

USER, PASSWORD = "worker", "correct-horse"


@pytest.fixture(scope="session")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server(ca: trustme.CA) -> Iterator[KafkaServer]:
    """A server with every kind of listener, TLS clients of which must show a certificate."""
    issued = ca.issue_cert("127.0.0.1", "localhost")
    tls = KafkaTls(
        cert=issued.cert_chain_pems[0].bytes().decode(),
        key=_pkcs8(issued.private_key_pem.bytes()),
        client_ca=ca.cert_pem.bytes().decode(),
    )
    with KafkaServer.running(users={USER: PASSWORD}, tls=tls) as running:
        yield running


@pytest.fixture
def records(server: KafkaServer) -> KafkaRecords:
    return KafkaRecords(server.address)


def _pkcs8(key: bytes) -> str:
    """Return a key as Java reads it."""
    private = load_pem_private_key(key, None)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
