"""What an operator is told when the engine is not reached, or something before it refuses."""

from __future__ import annotations

import ssl

import pytest
import requests
from docker.errors import APIError, DockerException

from scaler.actuators.docker.failures import refusal, translated
from scaler.ports.errors import ConfigError, EngineRefused, EngineUnavailable, ReplicaRejected


def answer(status: int, body: str, **headers: str) -> APIError:
    response = requests.Response()
    response.status_code = status
    response.headers.update(headers)
    response.request = requests.Request("POST", "http://localhost/v1.41/containers/create?name=a").prepare()
    return APIError("no", response, explanation=body)


def told(error: Exception, cause: Exception | None = None) -> Exception:
    with pytest.raises((EngineUnavailable, ReplicaRejected)) as caught, translated():
        raise error from cause
    return caught.value


def test_a_refusal_names_the_call_and_says_what_the_proxy_said() -> None:
    refused = told(answer(403, "not here"))
    assert isinstance(refused, EngineRefused)
    assert str(refused).startswith("POST /v1.41/containers/create is refused on the way to the Docker engine (403: not")
    assert "(403);" in str(told(answer(403, "<html>Forbidden</html>")))
    version = told(DockerException("Error while fetching server API version"), answer(403, ""))
    assert isinstance(version, EngineRefused)


def test_what_the_engine_itself_forbids_is_about_the_replica() -> None:
    """Unless a plugin of the engine's stands before it."""
    engines = {"Api-Version": "1.41"}
    assert isinstance(told(answer(403, "network not attachable", **engines)), ReplicaRejected)
    assert isinstance(told(answer(403, "authorization denied by plugin opa: no", **engines)), EngineRefused)
    assert refusal("GET", "http://localhost/a", 404, {}, "") is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (requests.ConnectionError(PermissionError(13, "Permission denied")), "Permission denied"),
        (requests.ConnectionError(FileNotFoundError(2, "No such file or directory")), "No such file or directory"),
        (requests.Timeout(), "Timeout"),
        (requests.exceptions.SSLError(ssl.SSLError(1, "wrong version number")), "no TLS with it"),
        (ConfigError("DOCKER_HOST names no host"), "DOCKER_HOST names no host"),
    ],
)
def test_what_keeps_us_from_the_engine_is_told(error: Exception, words: str) -> None:
    assert words in str(told(error))
    assert type(told(error)) is EngineUnavailable
