"""Every exception of the Kafka client library has a meaning for the engine, and so has every error code."""

from __future__ import annotations

import asyncio
import ssl

import pytest
from aiokafka import errors

from scaler.ports.errors import SourceRejected, SourceUnavailable
from scalers.kafka.connection import Access, Connection
from scalers.kafka.errors import meaning_of, refusal, translate
from scalers.kafka.server import Server

ALL = sorted(
    (it for it in vars(errors).values() if isinstance(it, type) and issubclass(it, errors.KafkaError)),
    key=lambda it: it.__name__,
)
# Kafka tells that these pass; that a topic does not exist is not among them, as a trigger names it.
RETRIABLE = sorted(
    (it.errno for it in ALL if getattr(it, "retriable", False) and isinstance(getattr(it, "errno", None), int)),
)


@pytest.mark.parametrize("error_type", ALL, ids=lambda it: it.__name__)
def test_the_whole_hierarchy_is_mapped(error_type: type[Exception]) -> None:
    assert meaning_of(error_type) in (SourceUnavailable, SourceRejected)


@pytest.mark.parametrize(
    "error",
    [
        errors.KafkaConnectionError("gone"),
        errors.RequestTimedOutError("late"),
        OSError(111, "Connection refused"),
        TimeoutError(),
        asyncio.IncompleteReadError(b"", 4),
    ],
    ids=repr,
)
def test_what_time_heals_is_unavailable(error: Exception) -> None:
    assert isinstance(translate(error, source="kafka"), SourceUnavailable)


@pytest.mark.parametrize(
    "error",
    [
        errors.SaslAuthenticationFailed("Authentication failed"),
        errors.UnsupportedSaslMechanismError("no such mechanism"),
        ssl.SSLCertVerificationError(1, "certificate verify failed"),
        ssl.SSLError(1, "handshake failure"),
        NotImplementedError("Support for ListEnds v9 has not yet been added"),
    ],
    ids=repr,
)
def test_what_someone_must_mend_is_rejected(error: Exception) -> None:
    assert isinstance(translate(error, source="kafka"), SourceRejected)


def test_the_cause_of_a_closed_connection_tells_more_than_that_it_is_closed() -> None:
    error = errors.KafkaConnectionError("Connection at kafka:9092 closed")
    error.__cause__ = ssl.SSLError(1, "alert")
    assert isinstance(translate(error, source="kafka"), SourceRejected)


def test_what_was_exchanged_is_not_repeated() -> None:
    assert "open-sesame" not in str(translate(ValueError("open-sesame"), source="kafka"))


@pytest.mark.parametrize("code", [code for code in RETRIABLE if code != errors.UnknownTopicOrPartitionError.errno])
def test_codes_that_kafka_calls_retriable_are_unavailable(code: int) -> None:
    assert isinstance(refusal(code, source="kafka", what="topic 'jobs'"), SourceUnavailable)


@pytest.mark.parametrize("code", [3, 17, 24, 29, 30, 31, 35])
def test_codes_that_tell_of_a_mistake_are_rejected(code: int) -> None:
    assert isinstance(refusal(code, source="kafka", what="topic 'jobs'"), SourceRejected)


def test_no_error_is_none_and_a_code_of_a_later_kafka_passes() -> None:
    assert refusal(0, source="kafka", what="topic 'jobs'") is None
    assert isinstance(refusal(74, source="kafka", what="topic 'jobs'"), SourceUnavailable)
    assert isinstance(refusal(9999, source="kafka", what="topic 'jobs'"), SourceUnavailable)


async def test_a_name_that_no_server_can_have_is_told_as_such() -> None:
    with pytest.raises(SourceRejected, match="no server can have this name"):
        await Connection.open(Access(Server((("kafka..local", 9092),))), "kafka..local", 9092)
