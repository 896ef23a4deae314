"""The one place where exceptions of the Redis client library become those of the scaler contract."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from redis import exceptions as redis_exceptions

from scaler.ports.errors import SourceError, SourceRejected, SourceUnavailable
from scalers.redis.servers import Endpoint

# What each exception means, by its nearest class named here. What a server answers with is the trigger's own mistake
# (wrong kind of key, no such group, no permission) unless it tells of the server's state.
_MEANING: Mapping[type[Exception], type[SourceError]] = {
    redis_exceptions.RedisError: SourceUnavailable,
    redis_exceptions.RedisClusterException: SourceRejected,
    redis_exceptions.ChildDeadlockedError: SourceUnavailable,
    redis_exceptions.IncorrectPolicyType: SourceRejected,
    redis_exceptions.ResponseError: SourceRejected,
    redis_exceptions.DataError: SourceRejected,
    redis_exceptions.AuthenticationError: SourceRejected,
    redis_exceptions.AuthorizationError: SourceRejected,
    redis_exceptions.OutOfMemoryError: SourceUnavailable,
    redis_exceptions.ReadOnlyError: SourceUnavailable,
    redis_exceptions.ClusterDownError: SourceUnavailable,
    redis_exceptions.TryAgainError: SourceUnavailable,
    OSError: SourceUnavailable,
}
# Error codes that have no class of their own.
_TRANSIENT_CODES = frozenset({"BUSY", "MISCONF", "NOREPLICAS", "UNKILLABLE"})
# How TLS says that the server is gone.
_ENDED = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
_MAX_TEXT = 200


class WrongType(SourceRejected):
    """The key holds another type of value than the command is for."""


class NoSuchKey(SourceRejected):
    """The command needs a key that does not exist."""


class Redirected(SourceRejected):
    """The key lives on another node of a Redis Cluster.

    Attributes:
        endpoint: Which; without a host when that is the same as of the node that says so.
    """

    def __init__(self, text: str, endpoint: Endpoint) -> None:
        super().__init__(text, endpoint)
        self.endpoint = endpoint

    def __str__(self) -> str:
        return str(self.args[0])


class Moved(Redirected):
    """It does so from now on."""


class Asked(Redirected):
    """It may do so already, as its slot is on its way: this once, that node is to be asked, with ASKING before."""


@contextmanager
def understood(source: object) -> Iterator[None]:
    """Take a reply apart: what is of another kind than the command's is the server's, and no bug of ours.

    Raises:
        SourceRejected: The reply makes no sense.
    """
    try:
        yield
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
        raise SourceRejected(f"{source}: the reply makes no sense ({type(error).__name__})") from error


def count_of(reply: object, source: object) -> float:
    """Return the number that a reply is.

    Raises:
        SourceRejected: It is none.
    """
    if not isinstance(reply, int) or isinstance(reply, bool):
        raise SourceRejected(f"{source}: the reply makes no sense ({type(reply).__name__} instead of a number)")
    return float(reply)


def translate(error: Exception, *, source: object) -> SourceError:
    """Return what `error` means to the engine, with a text that names the source and holds no secret."""
    meaning = meaning_of(type(error))
    text = str(error) or type(error).__name__
    if meaning is SourceRejected and text.partition(" ")[0] in _TRANSIENT_CODES:
        meaning = SourceUnavailable
    elif text.startswith("WRONGTYPE"):
        meaning = WrongType
    elif text.removeprefix("ERR ") == "no such key":
        meaning = NoSuchKey
    if isinstance(error.__context__, ssl.SSLCertVerificationError):
        # Time does not heal a certificate that is not trusted.
        meaning = SourceRejected
        text = f"the server's certificate is not trusted: {error.__context__.verify_message}"
    elif isinstance(error.__context__, ssl.SSLError) and not isinstance(error.__context__, _ENDED):
        # Nor does it heal another protocol, or a client certificate that the server wants.
        meaning = SourceRejected
        text = f"TLS failed: {getattr(error.__context__, 'reason', None) or 'handshake failed'}"
    if isinstance(error, redis_exceptions.AskError):
        kind = Moved if isinstance(error, redis_exceptions.MovedError) else Asked
        text = "the key lives on another node of a Redis Cluster (redis-cluster and redis-cluster-streams find it)"
        return kind(f"{source}: {text}", (error.host, error.port))
    code = getattr(error, "status_code", None)
    # Servers without AUTH repeat its arguments, the password, in the text after this.
    text = text.partition(", with args beginning with")[0].partition("\n")[0]
    return meaning(f"{source}: {code + ' ' if code else ''}{text[:_MAX_TEXT]}")


def meaning_of(error_type: type[BaseException]) -> type[SourceError]:
    """Return the class for an exception type of the client library.

    Raises:
        LookupError: The type is none of the library's, and so a bug.
    """
    for ancestor in error_type.__mro__:
        if ancestor in _MEANING:
            return _MEANING[ancestor]
    raise LookupError(f"{error_type.__name__} is not an exception of the Redis client")
