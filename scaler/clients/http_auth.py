"""Who asks: KEDA's `authModes` and what belongs to each, for every trigger that asks over HTTP."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr, model_validator

from scaler.clients.http import DEFAULT_TIMEOUT_S, Answer, HttpClient, HttpServer, Request
from scaler.clients.http_address import HttpAddress, basic_authorization
from scaler.clients.oauth2 import ClientCredentials, TokenSource
from scaler.clients.tls import Tls
from scaler.ports.connections import Connections
from scaler.ports.parameters import Boolean, NotNegativeInteger
from scaler.ports.scaler import ScalerConfig

_NO_SECRET = SecretStr("")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\U0010ffff]*")
_UNAUTHORIZED = 401


class AuthMode(StrEnum):
    """One way to say who asks."""

    API_KEY = "apiKey"
    BASIC = "basic"
    TLS = "tls"
    BEARER = "bearer"
    CUSTOM = "custom"
    OAUTH = "oauth"


_MODES = ", ".join(AuthMode)
# Each of these is an `Authorization` header.
_EXCLUSIVE = frozenset({AuthMode.BASIC, AuthMode.BEARER, AuthMode.OAUTH})
# What each mode needs, and all that belongs to it: field names, and how manifests call them.
_NEEDED: Mapping[AuthMode, Mapping[str, str]] = {
    AuthMode.API_KEY: {"api_key": "apiKey"},
    AuthMode.BASIC: {"username": "username"},
    AuthMode.TLS: {"cert": "cert", "key": "key"},
    AuthMode.BEARER: {"bearer_token": "bearerToken"},
    AuthMode.CUSTOM: {"custom_auth_header": "customAuthHeader", "custom_auth_value": "customAuthValue"},
    AuthMode.OAUTH: {"oauth_token_uri": "oauthTokenURI", "client_id": "clientID", "client_secret": "clientSecret"},
}
_BELONGING: Mapping[AuthMode, Mapping[str, str]] = {
    **_NEEDED,
    AuthMode.API_KEY: {**_NEEDED[AuthMode.API_KEY], "method": "method", "key_param_name": "keyParamName"},
    AuthMode.BASIC: {**_NEEDED[AuthMode.BASIC], "password": "password"},
    AuthMode.OAUTH: {**_NEEDED[AuthMode.OAUTH], "scopes": "scopes", "endpoint_params": "endpointParams"},
}


def _modes(given: Any) -> tuple[AuthMode, ...]:
    names = [name.strip() for name in given.split(",")] if isinstance(given, str) else given
    try:
        return tuple(dict.fromkeys(AuthMode(name) for name in names))
    except (TypeError, ValueError):
        raise ValueError(f"expected some of {_MODES}, separated by commas") from None


def header_name(name: str) -> str:
    """Check the name of a header; the text of its ValueError does not repeat it."""
    if name and not _HEADER_NAME.fullmatch(name):
        raise ValueError("expected the name of an HTTP header")
    return name


def header_value(value: SecretStr) -> SecretStr:
    """Check the value of a header; the text of its ValueError does not repeat it."""
    if not _HEADER_VALUE.fullmatch(value.get_secret_value()):
        raise ValueError("expected text without line breaks and control characters")
    return value


Secret = Annotated[SecretStr, AfterValidator(header_value)]


def parameter(name: str, description: str, default: Any = None, *, sources: str = "A", also: str | None = None) -> Any:
    """Declare a parameter; `also` is another name of KEDA's for it."""
    return Field(
        default,
        validation_alias=AliasChoices(name, also) if also else name,
        description=description,
        json_schema_extra={"sources": sources},
    )


class HttpSourceConfig(ScalerConfig):
    """What triggers that ask over HTTP share: credentials, TLS and time-out."""

    auth_modes: Annotated[tuple[AuthMode, ...], BeforeValidator(_modes, json_schema_input_type=str)] = parameter(
        "authModes", f"who asks: some of {_MODES}, separated by commas", (), sources="MA", also="authMode"
    )
    username: str = parameter("username", "user (basic)", "")
    password: SecretStr = parameter("password", "password of the user (basic)", _NO_SECRET)
    bearer_token: Secret = parameter("bearerToken", "token (bearer)", _NO_SECRET, also="token")
    api_key: Secret = parameter("apiKey", "key (apiKey)", _NO_SECRET, sources="MA")
    method: Literal["header", "query"] = parameter(
        "method", "where the key is sent: a header or a parameter of the query (apiKey)", "header", sources="MA"
    )
    key_param_name: str = parameter(
        "keyParamName", "name of that header (X-API-KEY) or parameter (api_key)", "", sources="MA"
    )
    custom_auth_header: Annotated[str, AfterValidator(header_name)] = parameter(
        "customAuthHeader", "name of a header (custom)", ""
    )
    custom_auth_value: Secret = parameter("customAuthValue", "value of that header (custom)", _NO_SECRET)
    oauth_token_uri: SecretStr = parameter(
        "oauthTokenURI", "URL that grants tokens by client credentials (oauth)", _NO_SECRET
    )
    client_id: str = parameter("clientID", "who asks for the token (oauth)", "")
    client_secret: SecretStr = parameter("clientSecret", "its secret (oauth)", _NO_SECRET)
    scopes: str = parameter("scopes", "scopes of the token, separated by commas (oauth)", "")
    endpoint_params: SecretStr = parameter(
        "endpointParams", "more that the token's server wants, as name=value&name=value (oauth)", _NO_SECRET
    )
    ca: str = parameter("ca", "PEM certificates to trust besides the system's", "")
    cert: str = parameter("cert", "PEM client certificate (tls)", "")
    key: SecretStr = parameter("key", "PEM private key of the client certificate (tls)", _NO_SECRET)
    unsafe_ssl: Boolean = parameter("unsafeSsl", "do not verify the server's certificate", default=False, sources="M")
    timeout: NotNegativeInteger = parameter(
        "timeout", "milliseconds for one request; 0 is the default of 3000", 0, sources="M"
    )

    @abstractmethod
    def address(self) -> HttpAddress:
        """Return where to ask."""

    def timeout_s(self) -> float:
        """Return the seconds for one request."""
        return self.timeout / 1000 or DEFAULT_TIMEOUT_S

    def read_timeout_s(self) -> float | None:
        """Return the time-out in seconds where it was given."""
        return self.timeout / 1000 or None

    @model_validator(mode="after")
    def _check_modes(self) -> Self:
        if len(_EXCLUSIVE.intersection(self.auth_modes)) > 1:
            raise ValueError("expected one of basic, bearer and oauth in authModes")
        for mode in AuthMode:
            if mode in self.auth_modes:
                if lacking := [name for field, name in _NEEDED[mode].items() if not getattr(self, field)]:
                    raise ValueError(f"expected {' and '.join(lacking)} with authModes {mode}")
            elif unused := [name for field, name in _BELONGING[mode].items() if field in self.model_fields_set]:
                raise ValueError(f"expected {mode} in authModes, without which {', '.join(unused)} would not be used")
        return self

    @model_validator(mode="after")
    def _check_access(self) -> Self:
        address = self.address()
        if address.credentials is not None and _EXCLUSIVE.intersection(self.auth_modes):
            raise ValueError("expected credentials in the URL or in authModes, not in both")
        if self.method == "header":
            header_name(self.key_param_name)
        encrypted = address.encrypted
        if self.oauth_token_uri:
            try:
                encrypted |= HttpAddress.parse(self.oauth_token_uri.get_secret_value()).encrypted
            except ValueError:
                raise ValueError("expected oauthTokenURI to be a URL such as https://host/token") from None
        if not encrypted and (self.ca or self.cert):
            raise ValueError("expected an https URL: ca, cert and key have no effect without TLS")
        self._tls().check()
        return self

    def server(self) -> HttpServer:
        """Return whom to ask, as whom."""
        address = self.address()
        headers: list[tuple[str, SecretStr]] = []
        if address.credentials is not None:
            headers.append(("Authorization", basic_authorization(address.credentials.get_secret_value())))
        if AuthMode.BASIC in self.auth_modes:
            pair = f"{self.username}:{self.password.get_secret_value()}"
            headers.append(("Authorization", basic_authorization(pair)))
        if AuthMode.BEARER in self.auth_modes:
            headers.append(("Authorization", SecretStr(f"Bearer {self.bearer_token.get_secret_value()}")))
        if AuthMode.CUSTOM in self.auth_modes:
            headers.append((self.custom_auth_header, self.custom_auth_value))
        if AuthMode.API_KEY in self.auth_modes and self.method == "header":
            headers.append((self.key_param_name or "X-API-KEY", self.api_key))
        return HttpServer(address.origin, tuple(headers), self._tls() if address.encrypted else None)

    def key_in_query(self) -> tuple[str, str] | None:
        """Return the name and value of the key that travels in the query; None when there is none."""
        if AuthMode.API_KEY not in self.auth_modes or self.method != "query":
            return None
        return self.key_param_name or "api_key", self.api_key.get_secret_value()

    def client_credentials(self) -> ClientCredentials | None:
        """Return what tokens are asked for with; None without them."""
        if AuthMode.OAUTH not in self.auth_modes:
            return None
        return ClientCredentials(
            self.oauth_token_uri,
            self.client_id,
            self.client_secret,
            tuple(scope for scope in re.split(r"[,\s]+", self.scopes) if scope),
            tuple(parse_qsl(self.endpoint_params.get_secret_value(), keep_blank_values=True)),
            self._tls(),
        )

    def _tls(self) -> Tls:
        return Tls(self.ca, self.cert, self.key, _NO_SECRET, verify=not self.unsafe_ssl)


class Caller:
    """Asks as whom a trigger says: adds the token where there is one to be fetched."""

    def __init__(self, tokens: TokenSource | None) -> None:
        self._tokens = tokens

    @classmethod
    @asynccontextmanager
    async def open(cls, config: HttpSourceConfig, connections: Connections) -> AsyncIterator[Self]:
        """Borrow what the credentials need."""
        credentials = config.client_credentials()
        if credentials is None:
            yield cls(None)
        else:
            async with TokenSource.shared(credentials, connections) as tokens:
                yield cls(tokens)

    async def ask(self, client: HttpClient, request: Request) -> Answer:
        """Return what the server answers, whatever the status.

        Raises:
            SourceUnavailable: It, or the server of the tokens, is lost or took too long.
            SourceRejected: The token was refused, the certificate is not trusted, or the answer is too large.
        """
        if self._tokens is None:
            return await client.ask(request)
        token = await self._tokens.token()
        bearer = ("Authorization", SecretStr(f"Bearer {token.get_secret_value()}"))
        answer = await client.ask(replace(request, headers=(*request.headers, bearer)))
        if answer.status == _UNAUTHORIZED:
            self._tokens.forget(token)
        return answer
