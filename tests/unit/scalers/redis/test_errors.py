"""Every exception of the Redis client library has a meaning for the engine, and no text tells a secret."""

from __future__ import annotations

import ssl

import pytest
from redis import exceptions

from scaler.ports.errors import SourceRejected, SourceUnavailable
from scalers.redis.errors import Asked, Moved, NoSuchKey, WrongType, meaning_of, translate

ALL = sorted(
    (it for it in vars(exceptions).values() if isinstance(it, type) and issubclass(it, Exception)),
    key=lambda it: it.__name__,
)


@pytest.mark.parametrize("error_type", ALL, ids=lambda it: it.__name__)
def test_the_whole_hierarchy_is_mapped(error_type: type[Exception]) -> None:
    assert meaning_of(error_type) in (SourceUnavailable, SourceRejected)


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ConnectionError("gone"),
        exceptions.TimeoutError("late"),
        exceptions.BusyLoadingError("loading"),
        exceptions.ReadOnlyError("replica"),
        exceptions.MasterDownError("down"),
        exceptions.OutOfMemoryError("full"),
        exceptions.ResponseError("BUSY Redis is busy running a script."),
        exceptions.ResponseError("MISCONF cannot write"),
        OSError("no route"),
        TimeoutError(),
    ],
    ids=repr,
)
def test_what_time_heals_is_unavailable(error: Exception) -> None:
    assert isinstance(translate(error, source="redis"), SourceUnavailable)


@pytest.mark.parametrize(
    "error",
    [
        exceptions.AuthenticationError("invalid username-password pair"),
        exceptions.AuthenticationWrongNumberOfArgsError("wrong number of arguments"),
        exceptions.NoPermissionError("this user has no permissions"),
        exceptions.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
        exceptions.ResponseError("NOGROUP No such key"),
        exceptions.ResponseError("ERR unknown command"),
    ],
    ids=repr,
)
def test_what_someone_must_mend_is_rejected(error: Exception) -> None:
    assert isinstance(translate(error, source="redis"), SourceRejected)


def test_kinds_of_keys_have_classes_of_their_own() -> None:
    assert isinstance(translate(exceptions.ResponseError("WRONGTYPE Operation"), source="redis"), WrongType)
    assert isinstance(translate(exceptions.ResponseError("no such key"), source="redis"), NoSuchKey)


def test_the_text_names_the_source_and_the_server_s_code() -> None:
    error = exceptions.NoPermissionError("this user has no permissions", status_code="NOPERM")
    assert str(translate(error, source="redis at h:1")) == "redis at h:1: NOPERM this user has no permissions"


def test_a_password_that_the_server_repeats_is_cut_off() -> None:
    text = "unknown command 'AUTH', with args beginning with: 'user' 'correct-horse' "
    assert "horse" not in str(translate(exceptions.ResponseError(text), source="redis"))


def test_a_certificate_that_is_not_trusted_is_rejected() -> None:
    error = exceptions.ConnectionError("Error 1 connecting")
    untrusted = ssl.SSLCertVerificationError(1, "certificate verify failed")
    untrusted.verify_message = "self-signed certificate"
    error.__context__ = untrusted
    assert str(translate(error, source="redis")) == (
        "redis: the server's certificate is not trusted: self-signed certificate"
    )
    assert isinstance(translate(error, source="redis"), SourceRejected)


@pytest.mark.parametrize(
    ("cause", "meaning"),
    [
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), SourceRejected),
        (ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), SourceUnavailable),
    ],
    ids=["no-tls-there", "the-server-went"],
)
def test_tls_that_cannot_be_spoken_is_rejected(cause: ssl.SSLError, meaning: type[Exception]) -> None:
    error = exceptions.ConnectionError("Error 1 connecting")
    error.__context__ = cause
    assert isinstance(translate(error, source="redis"), meaning)


def test_an_exception_of_our_own_is_a_bug() -> None:
    with pytest.raises(LookupError):
        meaning_of(ZeroDivisionError)


def test_a_redirection_names_the_node_and_the_types_that_follow_it() -> None:
    moved = translate(exceptions.MovedError("3999 10.0.0.2:7001"), source="redis")
    asked = translate(exceptions.AskError("3999 :7001"), source="redis")
    assert isinstance(moved, Moved)
    assert moved.again().endpoint == ("10.0.0.2", 7001)
    assert "redis-cluster" in str(moved.again())
    assert isinstance(asked, Asked)
    assert asked.endpoint == ("", 7001)
