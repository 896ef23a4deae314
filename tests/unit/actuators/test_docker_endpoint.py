"""Which engine is meant, by docker's variables and contexts."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from scaler.actuators.docker.endpoint import LOCAL, Endpoint
from scaler.ports.errors import ConfigError


def files(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def context(home: Path, name: str, engine: object, *certificates: str, current: bool = False) -> None:
    identity = hashlib.sha256(name.encode()).hexdigest()
    meta = files(home / ".docker" / "contexts" / "meta" / identity)
    (meta / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": engine}}))
    if certificates:
        files(home / ".docker" / "contexts" / "tls" / identity / "docker", *certificates)
    if current:
        (home / ".docker" / "config.json").write_text(json.dumps({"currentContext": name}))


def test_without_settings_it_is_the_local_socket(tmp_path: Path) -> None:
    endpoint = Endpoint.of_environment({}, tmp_path)
    assert (endpoint.url, endpoint.tls, endpoint.source, endpoint.here) == (LOCAL, None, "", True)


@pytest.mark.parametrize(
    ("url", "here", "over_ssh"),
    [
        ("unix:///run/user/1000/docker.sock", True, False),
        ("tcp://127.0.0.1:2375", True, False),
        ("tcp://localhost:2375", True, False),
        ("tcp://[::1]:2375", True, False),
        ("tcp://engine.example:2376", False, False),
        ("ssh://me@localhost", False, True),
    ],
)
def test_an_address_says_where_the_engine_is(tmp_path: Path, url: str, *, here: bool, over_ssh: bool) -> None:
    endpoint = Endpoint.of_environment({"DOCKER_HOST": url}, tmp_path)
    assert (endpoint.url, endpoint.here, endpoint.over_ssh) == (url, here, over_ssh)


@pytest.mark.parametrize(
    "url", ["127.0.0.1:2375", "npipe:////./pipe/docker", "ssh://me:secret@host", "tcp://", "ssh://"]
)
def test_what_is_no_address_is_refused_without_showing_it(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="DOCKER_HOST") as caught:
        Endpoint.of_environment({"DOCKER_HOST": url}, tmp_path)
    assert "secret" not in str(caught.value)


def test_tls_is_always_verified(tmp_path: Path) -> None:
    """Either variable asks for it; a certificate of one's own is for engines that ask for one."""
    folder = files(tmp_path / "certificates", "ca.pem", "cert.pem", "key.pem")
    tcp = {"DOCKER_HOST": "tcp://engine.example:2376"}
    for more in ({"DOCKER_CERT_PATH": str(folder)}, {"DOCKER_CERT_PATH": str(folder), "DOCKER_TLS_VERIFY": "1"}):
        tls = Endpoint.of_environment({**tcp, **more}, tmp_path).tls
        assert tls is not None
        assert (tls.verify, tls.ca_cert, tls.cert) == (
            True,
            f"{folder}/ca.pem",
            (f"{folder}/cert.pem", f"{folder}/key.pem"),
        )
    files(tmp_path / ".docker", "ca.pem")
    tls = Endpoint.of_environment({**tcp, "DOCKER_TLS_VERIFY": "1"}, tmp_path).tls
    assert tls is not None
    assert (tls.verify, tls.cert) == (True, None)
    assert Endpoint.of_environment({**tcp, "DOCKER_TLS_VERIFY": ""}, tmp_path).tls is None
    assert Endpoint.of_environment({"DOCKER_HOST": LOCAL, "DOCKER_CERT_PATH": str(folder)}, tmp_path).tls is None


def test_half_of_the_certificates_is_an_error(tmp_path: Path) -> None:
    for names in (("cert.pem", "key.pem"), ("ca.pem", "cert.pem"), ()):
        folder = files(tmp_path / "-".join(names or ("none",)), *names)
        with pytest.raises(ConfigError, match="has not all certificates"):
            Endpoint.of_environment({"DOCKER_HOST": "tcp://engine", "DOCKER_CERT_PATH": str(folder)}, tmp_path)


def test_contexts_count_as_they_do_for_docker(tmp_path: Path) -> None:
    """`DOCKER_HOST` wins over `DOCKER_CONTEXT`, and that over the current one."""
    context(tmp_path, "far", {"Host": "tcp://far:2376"}, "ca.pem", "cert.pem", "key.pem", current=True)
    context(tmp_path, "near", {"Host": "ssh://near"})
    found = Endpoint.of_environment({}, tmp_path)
    assert (found.url, found.tls is not None, found.source) == ("tcp://far:2376", True, "docker context 'far'")
    assert Endpoint.of_environment({"DOCKER_CONTEXT": "near"}, tmp_path).url == "ssh://near"
    assert Endpoint.of_environment({"DOCKER_CONTEXT": "default"}, tmp_path).url == LOCAL
    both = {"DOCKER_CONTEXT": "near", "DOCKER_HOST": "unix:///else"}
    assert Endpoint.of_environment(both, tmp_path).url == "unix:///else"


def test_a_context_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    context(tmp_path, "blind", {"Host": "tcp://far:2376", "SkipTLSVerify": True})
    context(tmp_path, "empty", {})
    for name, told in (
        ("blind", "skip-tls-verify"),
        ("empty", "cannot be read"),
        ("none", "there is no docker context"),
    ):
        with pytest.raises(ConfigError, match=told):
            Endpoint.of_environment({"DOCKER_CONTEXT": name}, tmp_path)
    (tmp_path / ".docker" / "config.json").write_text("[")
    with pytest.raises(ConfigError, match="cannot be read"):
        Endpoint.of_environment({}, tmp_path)
