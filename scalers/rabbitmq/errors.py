"""The one place where exceptions of the AMQP client library and the broker's refusals become those of the contract."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from aiormq import exceptions as aiormq_exceptions
from pamqp.exceptions import PAMQPException

from scaler.ports.errors import SourceError, SourceRejected, SourceUnavailable

# What the library raises: its own, those of the codec and the socket, and RuntimeError of uses that a lost connection
# overtook.
FAILURES = (aiormq_exceptions.AMQPError, PAMQPException, OSError, RuntimeError)

# What each means, by its nearest class named here.
_MEANING: Mapping[type[Exception], type[SourceError]] = {
    aiormq_exceptions.AMQPError: SourceUnavailable,
    aiormq_exceptions.AuthenticationError: SourceRejected,
    aiormq_exceptions.ProbableAuthenticationError: SourceRejected,
    aiormq_exceptions.ConnectionNotAllowed: SourceRejected,
    aiormq_exceptions.ChannelAccessRefused: SourceRejected,
    aiormq_exceptions.ChannelNotFoundEntity: SourceRejected,
    aiormq_exceptions.ChannelLockedResource: SourceRejected,
    aiormq_exceptions.ChannelPreconditionFailed: SourceRejected,
    PAMQPException: SourceUnavailable,
    OSError: SourceUnavailable,
    RuntimeError: SourceUnavailable,
}
# A queue whose node is down, or that crashed, comes back by itself, though the broker says "not found".
_DOWN = ("is down", "is stopped", "crashed", "has failed", "timed out")
_MAX_TEXT = 200


class NoSuchQueue(SourceRejected):
    """The broker has no queue of that name, or no such virtual host."""


def translate(error: Exception, *, source: object) -> SourceError:
    """Return what a failure of the connection means to the engine, with a text that names the source."""
    cause = error.__cause__
    if isinstance(cause, ssl.SSLError | UnicodeError):
        return SourceRejected(f"{source}: {_not_healed_by_time(cause)}")
    if isinstance(error, aiormq_exceptions.InvalidFrameError) and "Connection.Close" in str(error):
        # The library keeps the broker's reason to itself.
        return SourceRejected(f"{source}: the virtual host does not exist, or the user may not use it")
    if isinstance(error, TimeoutError):
        return SourceUnavailable(f"{source}: no answer in time")
    if isinstance(cause, OSError) and cause.strerror:
        return SourceUnavailable(f"{source}: {cause.strerror}")
    return meaning_of(type(error))(f"{source}: {_brief(error)}")


def _not_healed_by_time(cause: ssl.SSLError | UnicodeError) -> str:
    if isinstance(cause, UnicodeError):
        return "no server can have this name"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the server's certificate is not trusted: {cause.verify_message}"
    return f"TLS failed: {getattr(cause, 'reason', None) or 'handshake failed'}"


def refusal(error: aiormq_exceptions.AMQPChannelError, queue: str, *, source: object) -> SourceError:
    """Return what the broker's refusal of one queue means."""
    if isinstance(error, aiormq_exceptions.ChannelNotFoundEntity):
        if any(sign in str(error).replace(queue, "") for sign in _DOWN):
            return SourceUnavailable(f"{source}: {_brief(error)}")
        return NoSuchQueue(f"{source}: there is no queue {queue!r}")
    return meaning_of(type(error))(f"{source}: {_brief(error)}")


def meaning_of(error_type: type[BaseException]) -> type[SourceError]:
    """Return the class for an exception type of the client library.

    Raises:
        LookupError: The type is none of the library's, and so a bug.
    """
    for ancestor in error_type.__mro__:
        if ancestor in _MEANING:
            return _MEANING[ancestor]
    raise LookupError(f"{error_type.__name__} is not an exception of the AMQP client")


def _brief(error: Exception) -> str:
    return (str(error).partition("\n")[0] or type(error).__name__)[:_MAX_TEXT]
