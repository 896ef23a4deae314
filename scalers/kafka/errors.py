"""The one place where exceptions of the Kafka client library become those of the scaler contract."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from aiokafka import errors as kafka

from scaler.ports.errors import SourceError, SourceRejected, SourceUnavailable

# What each exception means, by its nearest class named here. What a broker answers with is the trigger's own mistake
# (no such topic, no permission) unless it tells of the cluster's state.
_MEANING: Mapping[type[Exception], type[SourceError]] = {
    kafka.KafkaError: SourceUnavailable,
    kafka.BrokerResponseError: SourceRejected,
    kafka.UnknownError: SourceUnavailable,
    kafka.LeaderNotAvailableError: SourceUnavailable,
    kafka.NotLeaderForPartitionError: SourceUnavailable,
    kafka.RequestTimedOutError: SourceUnavailable,
    kafka.BrokerNotAvailableError: SourceUnavailable,
    kafka.ReplicaNotAvailableError: SourceUnavailable,
    kafka.StaleControllerEpochError: SourceUnavailable,
    kafka.StaleLeaderEpochCodeError: SourceUnavailable,
    kafka.GroupLoadInProgressError: SourceUnavailable,
    kafka.GroupCoordinatorNotAvailableError: SourceUnavailable,
    kafka.NotCoordinatorForGroupError: SourceUnavailable,
    kafka.NotEnoughReplicasError: SourceUnavailable,
    kafka.NotEnoughReplicasAfterAppendError: SourceUnavailable,
    kafka.RebalanceInProgressError: SourceUnavailable,
    kafka.NotControllerError: SourceUnavailable,
    kafka.KafkaStorageError: SourceUnavailable,
    kafka.LogDirNotFound: SourceUnavailable,
    kafka.ReassignmentInProgress: SourceUnavailable,
    kafka.FetchSessionIdNotFound: SourceUnavailable,
    kafka.InvalidFetchSessionEpoch: SourceUnavailable,
    kafka.ListenerNotFound: SourceUnavailable,
    kafka.UnrecognizedBrokerVersion: SourceRejected,
    kafka.IncompatibleBrokerVersion: SourceRejected,
    kafka.AuthenticationMethodNotSupported: SourceRejected,
    kafka.AuthenticationFailedError: SourceRejected,
    kafka.UnsupportedCodecError: SourceRejected,
    kafka.KafkaConfigurationError: SourceRejected,
    kafka.IllegalStateError: SourceRejected,
    kafka.IllegalArgumentError: SourceRejected,
    ssl.SSLError: SourceRejected,
    OSError: SourceUnavailable,
    EOFError: SourceUnavailable,
    # The library's: the broker has no version of a request that is sent; it says nonsense in SASL.
    NotImplementedError: SourceRejected,
    ValueError: SourceRejected,
    AssertionError: SourceRejected,
    LookupError: SourceRejected,
    TypeError: SourceRejected,
}
# Codes that are newer than the library, all of which pass: fenced or unknown leader epoch, offset not available, ...
_NEWER_TRANSIENT = frozenset({71, 74, 75, 76, 78, 84, 88, 89})
_MAX_TEXT = 200
# What the library may raise while it talks to a broker.
FAILURES = (
    kafka.KafkaError,
    OSError,
    EOFError,
    NotImplementedError,
    ValueError,
    AssertionError,
    LookupError,
    TypeError,
)


def translate(error: BaseException, *, source: object) -> SourceError:
    """Return what `error` means to the engine, with a text that names the source and holds no secret."""
    if isinstance(error, kafka.KafkaConnectionError) and isinstance(error.__cause__, OSError):
        # The library's own says only that the connection is closed.
        error = error.__cause__
    return meaning_of(type(error))(f"{source}: {_text(error)[:_MAX_TEXT]}")


@contextmanager
def understood(source: object) -> Iterator[None]:
    """Take an answer apart: a field that is missing, null or of another kind is the broker's, and no bug of ours.

    Raises:
        SourceUnavailable: The answer makes no sense.
    """
    try:
        yield
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise SourceUnavailable(f"{source}: the broker's answer makes no sense ({type(error).__name__})") from error


def refusal(code: int, *, source: object, what: str) -> SourceError | None:
    """Return what an error code in an answer means, or None for 0.

    Args:
        code: As Kafka numbers them.
        source: Whose answer.
        what: What it is about, such as a topic.
    """
    if code == 0:
        return None
    if code in _NEWER_TRANSIENT:
        return SourceUnavailable(f"{source}: {what}: Kafka's error {code}")
    error_type = kafka.for_code(code)
    return meaning_of(error_type)(f"{source}: {what}: {_described(error_type())} (Kafka's error {code})")


def meaning_of(error_type: type[BaseException]) -> type[SourceError]:
    """Return the class for an exception type of the client library.

    Raises:
        LookupError: The type is none that the library raises, and so a bug.
    """
    for ancestor in error_type.__mro__:
        if ancestor in _MEANING:
            return _MEANING[ancestor]
    raise LookupError(f"{error_type.__name__} is not an exception of the Kafka client")


def _text(error: BaseException) -> str:
    if isinstance(error, NotImplementedError):
        return "the broker is too old: it knows no version of a request that is sent"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        return _system_text(error)
    if isinstance(error, UnicodeError) and not isinstance(error, UnicodeDecodeError):
        return "no server can have this name"
    if isinstance(error, ValueError | AssertionError | LookupError | TypeError | EOFError):
        # Its text may quote what was exchanged.
        return f"the broker's answer makes no sense ({type(error).__name__})"
    return " ".join(part for part in error.args if isinstance(part, str)) or _described(error)


def _system_text(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        # Time does not heal a certificate that is not trusted.
        return f"the server's certificate is not trusted: {getattr(error, 'verify_message', '')}"
    # asyncio's for a handshake that the peer ended is a bare one.
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or (
        isinstance(error, ConnectionResetError) and not error.args
    ):
        return "the server ended the TLS handshake: does this port speak TLS?"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {getattr(error, 'reason', None) or 'handshake failed'}"
    return error.strerror or "the connection was lost"


def _described(error: BaseException) -> str:
    return str(getattr(error, "message", "")).replace("_", " ").lower() or type(error).__name__
