"""Every exception of the AMQP client library has a meaning for the engine, and texts say which broker."""

from __future__ import annotations

import ssl

import pytest
from aiormq import exceptions

from scaler.ports.errors import SourceError, SourceRejected, SourceUnavailable
from scalers.rabbitmq.errors import NoSuchQueue, meaning_of, refusal, translate

# An invalid use of a channel is a RuntimeError.
ALL = sorted(
    (it for it in vars(exceptions).values() if isinstance(it, type) and issubclass(it, Exception)),
    key=lambda it: it.__name__,
)


@pytest.mark.parametrize("error_type", ALL, ids=lambda it: it.__name__)
def test_the_whole_hierarchy_is_mapped(error_type: type[Exception]) -> None:
    assert meaning_of(error_type) in (SourceUnavailable, SourceRejected)


def test_an_exception_of_our_own_is_a_bug() -> None:
    with pytest.raises(LookupError):
        meaning_of(ZeroDivisionError)


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (exceptions.AMQPConnectionError("gone"), SourceUnavailable),
        (exceptions.ConnectionInternalError("541"), SourceUnavailable),
        (exceptions.ChannelInvalidStateError("closed"), SourceUnavailable),
        (exceptions.InvalidFrameError("Expected Connection.Start, got nothing"), SourceUnavailable),
        (exceptions.InvalidFrameError("Expected Connection.OpenOk, got <Connection.Close>"), SourceRejected),
        (exceptions.ProbableAuthenticationError("ACCESS_REFUSED"), SourceRejected),
        (exceptions.ConnectionNotAllowed("530"), SourceRejected),
        (TimeoutError(), SourceUnavailable),
        (OSError("no route"), SourceUnavailable),
    ],
    ids=repr,
)
def test_what_the_loss_of_a_connection_means(error: Exception, meaning: type[SourceError]) -> None:
    translated = translate(error, source="rabbitmq at b:1")
    assert type(translated) is meaning
    assert str(translated).startswith("rabbitmq at b:1: ")


def test_a_certificate_that_is_not_trusted_is_rejected() -> None:
    untrusted = ssl.SSLCertVerificationError(1, "certificate verify failed")
    untrusted.verify_message = "self-signed certificate"
    error = exceptions.AMQPConnectionError("Error 1 connecting")
    error.__cause__ = untrusted
    translated = translate(error, source="rabbitmq")
    assert isinstance(translated, SourceRejected)
    assert str(translated) == "rabbitmq: the server's certificate is not trusted: self-signed certificate"


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (exceptions.ChannelNotFoundEntity("NOT_FOUND - no queue 'jobs' in vhost '/'"), NoSuchQueue),
        (
            exceptions.ChannelNotFoundEntity(
                "NOT_FOUND - home node 'r@a' of durable queue 'jobs' in vhost '/' is down or inaccessible"
            ),
            SourceUnavailable,
        ),
        (
            exceptions.ChannelNotFoundEntity("NOT_FOUND - queue 'jobs' in vhost '/' process is stopped by supervisor"),
            SourceUnavailable,
        ),
        (exceptions.ChannelLockedResource("RESOURCE_LOCKED - cannot obtain exclusive access"), SourceRejected),
        (exceptions.ChannelAccessRefused("ACCESS_REFUSED - access to queue 'jobs' refused"), SourceRejected),
        (exceptions.ChannelClosed(541, "INTERNAL_ERROR"), SourceUnavailable),
    ],
    ids=repr,
)
def test_what_the_refusal_of_a_queue_means(error: exceptions.AMQPChannelError, meaning: type[SourceError]) -> None:
    assert type(refusal(error, "jobs", source="rabbitmq")) is meaning


def test_a_queue_whose_name_sounds_like_an_outage_is_missing_all_the_same() -> None:
    error = exceptions.ChannelNotFoundEntity("NOT_FOUND - no queue 'elevator is down' in vhost '/'")
    assert type(refusal(error, "elevator is down", source="rabbitmq")) is NoSuchQueue
