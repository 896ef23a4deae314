"""What goes wrong between us and the engine, in our own errors and in words that say what to mend."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from docker.errors import APIError, DockerException

from scaler.ports.errors import ConfigError, EngineRefused, EngineUnavailable, ReplicaRejected

# Every answer of an engine carries it; what a proxy says on its own does not.
_ENGINES_OWN = "Api-Version"
_BY_PLUGIN = "authorization denied by plugin"


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the SDK raises into EngineUnavailable, EngineRefused or ReplicaRejected.

    The engine answers 4xx when a request is wrong as it stands. Some start failures of the OCI runtime come as 500.
    """
    try:
        yield
    except APIError as error:
        raise _of_answer(error) from error
    except ConfigError as error:
        raise EngineUnavailable(str(error)) from error
    except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        answer = next((each for each in _chain(error) if isinstance(each, APIError)), None)
        refused = None if answer is None else _of_answer(answer)
        if isinstance(refused, EngineRefused):
            raise refused from error
        raise EngineUnavailable(not_reached(error)) from error


def not_reached(error: BaseException) -> str:
    """Return why an engine was not reached."""
    return f"the Docker engine does not answer: {_cause(error)}"


def refusal(method: str, url: str, status: int | None, headers: Mapping[str, str], text: str) -> EngineRefused | None:
    """Return the error for an answer by which a proxy or a plugin refuses a call; None for other answers."""
    by_engine = any(name.lower() == _ENGINES_OWN.lower() for name in headers)
    if status != requests.codes.forbidden or (by_engine and _BY_PLUGIN not in text):
        return None
    said = f": {text.strip()}" if text.strip() and not text.lstrip().startswith("<") else ""
    return EngineRefused(
        f"{method} {urlsplit(url).path} is refused on the way to the Docker engine (403{said}); a socket proxy must let"
        " through all that docs/docker-access.md lists"
    )


def message(body: str) -> str:
    """Return what the body of an engine's answer says."""
    try:
        said: Any = json.loads(body)["message"]
    except (ValueError, KeyError, TypeError):
        said = body
    return str(said or "no explanation")


def _of_answer(error: APIError) -> EngineUnavailable | ReplicaRejected:
    status, text = error.status_code, str(error.explanation or "no explanation")
    answer = error.response
    if answer is not None and answer.request is not None:
        refused = refusal(str(answer.request.method), str(answer.request.url), status, answer.headers, text)
        if refused is not None:
            return refused
    if (status is not None and status < requests.codes.server_error) or "OCI runtime" in text:
        return ReplicaRejected(text)
    return EngineUnavailable(f"the Docker engine failed: {text}")


def _cause(error: BaseException) -> str:
    found = list(_chain(error))
    for each in found:
        if isinstance(each, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {getattr(each, 'verify_message', '')}"
        if isinstance(each, ssl.SSLError):
            reason: str = getattr(each, "reason", None) or "TLS failed"
            hint = "it does not accept our certificate" if "ALERT" in reason else "no TLS with it"
            return f"{hint}: {reason.replace('_', ' ').lower()}"
        if isinstance(each, APIError):
            return str(each.explanation or each.status_code)
    # The innermost that the system has words for; texts of others may hold more than an operator wants to read.
    system = [each for each in found if isinstance(each, OSError) and each.strerror]
    return str(system[-1].strerror) if system else type(found[-1] if len(found) > 1 else error).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that it is said to come from, outermost first."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        causes = (each.__cause__, each.__context__, getattr(each, "reason", None), *each.args)
        waiting.extend(cause for cause in causes if isinstance(cause, BaseException))
