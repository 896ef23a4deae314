"""KEDA's `authModes`: what each needs, what it sends, and what does not go together."""

from __future__ import annotations

from typing import Any

import pytest
import trustme
from pydantic import Field, ValidationError

from scaler.clients.http_address import HttpAddress
from scaler.clients.http_auth import HttpSourceConfig


class Config(HttpSourceConfig):
    """A source that has nothing but an address."""

    url: str = Field("https://api", validation_alias="url")

    def target(self) -> float:
        return 1

    def activation(self) -> float:
        return 0

    def address(self) -> HttpAddress:
        return HttpAddress.parse(self.url)


@pytest.fixture(scope="module")
def pem() -> dict[str, str]:
    authority = trustme.CA()
    client = authority.issue_cert("worker")
    return {
        "ca": authority.cert_pem.bytes().decode(),
        "cert": client.cert_chain_pems[0].bytes().decode(),
        "key": client.private_key_pem.bytes().decode(),
    }


def sent(**parameters: Any) -> dict[str, str]:
    headers = Config.model_validate(parameters).server().headers
    return {name: value.get_secret_value() for name, value in headers}


@pytest.mark.parametrize(
    ("parameters", "headers"),
    [
        ({}, {}),
        ({"authModes": "basic", "username": "u", "password": "p:q"}, {"Authorization": "Basic dTpwOnE="}),
        ({"authModes": "basic", "username": "u"}, {"Authorization": "Basic dTo="}),
        ({"authMode": "bearer", "token": "t\n"}, {"Authorization": "Bearer t"}),
        ({"authModes": "bearer", "bearerToken": "t"}, {"Authorization": "Bearer t"}),
        ({"authModes": "apiKey", "apiKey": "k"}, {"X-API-KEY": "k"}),
        ({"authModes": "apiKey", "apiKey": "k", "keyParamName": "X-K"}, {"X-K": "k"}),
        ({"authModes": "apiKey", "apiKey": "k", "method": "query"}, {}),
        ({"authModes": "custom", "customAuthHeader": "X-A", "customAuthValue": "v"}, {"X-A": "v"}),
        (
            {"authModes": " apiKey , bearer", "apiKey": "k", "bearerToken": "t"},
            {"X-API-KEY": "k", "Authorization": "Bearer t"},
        ),
        ({"url": "http://u:p%40@api/"}, {"Authorization": "Basic dTpwQA=="}),
    ],
)
def test_each_mode_sends_its_header(parameters: dict[str, str], headers: dict[str, str]) -> None:
    assert sent(**parameters) == headers


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"authModes": "ntlm"}, "some of apiKey, basic"),
        ({"authModes": "basic,"}, "some of apiKey, basic"),
        ({"authModes": "basic"}, "username with authModes basic"),
        ({"authModes": "custom", "customAuthHeader": "X"}, "customAuthValue with authModes custom"),
        ({"authModes": "oauth", "clientID": "c"}, "oauthTokenURI and clientSecret"),
        ({"authModes": "tls", "ca": "x"}, "cert and key"),
        ({"authModes": "basic,bearer", "username": "u", "token": "t"}, "one of basic, bearer and oauth"),
        ({"username": "sesame"}, "expected basic in authModes, without which username"),
        ({"authModes": "bearer", "token": "t", "apiKey": "sesame"}, "expected apiKey in authModes"),
        ({"key": "sesame"}, "expected tls in authModes"),
        ({"url": "https://u:sesame@api", "authModes": "bearer", "token": "t"}, "not in both"),
        ({"url": "http://api", "ca": "sesame"}, "an https URL"),
        ({"ca": "sesame"}, "PEM"),
        ({"authModes": "bearer", "token": "ses\name"}, "line breaks"),
        ({"authModes": "custom", "customAuthHeader": "X Y", "customAuthValue": "v"}, "name of an HTTP header"),
        ({"authModes": "apiKey", "apiKey": "k", "keyParamName": "X Y"}, "name of an HTTP header"),
        ({"authModes": "apiKey", "apiKey": "k", "method": "body"}, "header"),
        (
            {"authModes": "oauth", "clientID": "c", "clientSecret": "sesame", "oauthTokenURI": "tokens"},
            "oauthTokenURI to be a URL",
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_no_secret_shown(parameters: dict[str, str], why: str) -> None:
    with pytest.raises(ValidationError, match=why) as caught:
        Config.model_validate(parameters)
    assert "ses" not in str(caught.value)


def test_certificates_go_to_the_server(pem: dict[str, str]) -> None:
    tls = Config.model_validate({"authModes": "tls", **pem}).server().tls
    assert tls is not None
    assert tls.verify
    assert tls.context().get_ca_certs()
    assert Config.model_validate({"ca": pem["ca"]}).server().tls is not None
    unsafe = Config.model_validate({"unsafeSsl": "true"}).server().tls
    assert unsafe is not None
    assert not unsafe.verify
    assert Config.model_validate({"unsafeSsl": "true", "url": "http://api"}).server().tls is None


def test_the_same_credentials_share_a_client_and_others_do_not() -> None:
    one, same, other = (
        Config.model_validate({"authModes": "bearer", "token": token}).server() for token in ("a", "a", "b")
    )
    assert one == same
    assert hash(one) == hash(same)
    assert one != other


def test_tokens_are_asked_for_with_scopes_and_more() -> None:
    given = Config.model_validate(
        {
            "authModes": "oauth",
            "oauthTokenURI": "https://tokens/t",
            "clientID": "c",
            "clientSecret": "sesame",
            "scopes": "read, write",
            "endpointParams": "audience=a%20b&x=sesame",
        }
    ).client_credentials()
    assert given is not None
    assert given.scopes == ("read", "write")
    assert given.parameters == (("audience", "a b"), ("x", "sesame"))
    assert "sesame" not in repr(given)


def test_certificates_may_be_for_the_server_of_the_tokens(pem: dict[str, str]) -> None:
    oauth = {"authModes": "oauth", "oauthTokenURI": "https://tokens/t", "clientID": "c", "clientSecret": "sesame"}
    config = Config.model_validate({"url": "http://api", "ca": pem["ca"], **oauth})
    credentials = config.client_credentials()
    assert credentials is not None
    assert credentials.tls is not None
    assert credentials.tls.ca
    assert config.server().tls is None


@pytest.mark.parametrize(
    ("url", "origin", "path", "query"),
    [
        ("http://api", "http://api", "/", ""),
        ("HTTP://Api:80/x", "http://api", "/x", ""),
        ("https://[::1]:8443/a%2Fb?c=%20d#e", "https://[::1]:8443", "/a%2Fb", "c=%20d"),
    ],
)
def test_an_address_is_taken_apart(url: str, origin: str, path: str, query: str) -> None:
    address = HttpAddress.parse(url)
    assert (address.origin, address.path, address.query.get_secret_value()) == (origin, path, query)


@pytest.mark.parametrize(
    "url", ["", "api", "api:80", "//api", "http://", "http:///x", "http://a b/", "http://api:0/", "file:///x"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected a URL"):
        HttpAddress.parse(url)
