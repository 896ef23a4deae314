"""The `prometheus` trigger: the value of a PromQL query."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Self
from urllib.parse import urlencode

from pydantic import AfterValidator, Field, SecretStr
from pydantic.json_schema import SkipJsonSchema

from scaler.clients.http import HttpClient, Request
from scaler.clients.http_address import HttpAddress
from scaler.clients.http_auth import Caller, HttpSourceConfig, header_name, header_value
from scaler.model import Reading
from scaler.ports.connections import Connections
from scaler.ports.errors import SourceRejected
from scaler.ports.parameters import Boolean, Float, Pairs, PositiveFloat, Refused
from scaler.ports.scaler import Scaler
from scalers.prometheus.query_result import refusal_of, value_of

# An answer with one series has some hundred bytes.
_MAX_ANSWER_BYTES = 1024 * 1024
_REFUSED = frozenset({400, 422})


def _server_address(text: str) -> str:
    if HttpAddress.parse(text).query.get_secret_value():
        raise ValueError("expected a URL without a query; queryParameters is for these")
    return text


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not name:
            raise ValueError("expected the name of an HTTP header")
        header_name(name)
        header_value(SecretStr(value))
    return headers


class PrometheusConfig(HttpSourceConfig):
    """Parameters of the `prometheus` trigger."""

    server_address: Annotated[str, AfterValidator(_server_address)] = Field(
        validation_alias="serverAddress",
        repr=False,
        description="URL of the server, with the path that its API lies under",
        json_schema_extra={"sources": "MA"},
    )
    query: str = Field(validation_alias="query", description="PromQL that gives one series")
    threshold: PositiveFloat = Field(validation_alias="threshold", description="value that one replica carries")
    activation_threshold: Float = Field(
        0.0, validation_alias="activationThreshold", description="active above this value"
    )
    namespace: str = Field("", validation_alias="namespace", description="sent as the query's parameter `namespace`")
    query_parameters: Pairs = Field(
        {},
        validation_alias="queryParameters",
        repr=False,
        description="more parameters of the request: name=value,name=value",
        json_schema_extra={"sources": "MA"},
    )
    custom_headers: Annotated[Pairs, AfterValidator(_headers)] = Field(
        {},
        validation_alias="customHeaders",
        repr=False,
        description="headers of the request: name=value,name=value",
        json_schema_extra={"sources": "MA"},
    )
    ignore_null_values: Boolean = Field(
        default=True,
        validation_alias="ignoreNullValues",
        description="no series, NaN and infinity are 0 instead of an error",
    )
    aws_region: Annotated[
        SkipJsonSchema[None], Refused("requests to AWS are signed by identities that exist in AWS only; use authModes")
    ] = Field(None, validation_alias="awsRegion", json_schema_extra={"sources": "MA"})
    identity_owner: Annotated[SkipJsonSchema[None], Refused("pod identities exist in a cloud only; use authModes")] = (
        Field(None, validation_alias="identityOwner")
    )
    credentials_from_env_file: Annotated[
        SkipJsonSchema[None], Refused("Google's identities are not supported; use authModes")
    ] = Field(None, validation_alias="credentialsFromEnvFile")

    metric_name: Annotated[
        SkipJsonSchema[None], Refused("KEDA dropped it with 2.12, and nothing reads it: leave it out")
    ] = Field(None, validation_alias="metricName")

    def target(self) -> float:
        """Return the value that one replica carries."""
        return self.threshold

    def activation(self) -> float:
        """Return the value above which the trigger is active."""
        return self.activation_threshold

    def address(self) -> HttpAddress:
        """Return where the server is."""
        return HttpAddress.parse(self.server_address)

    def request(self) -> Request:
        """Return the query as a request; equal ones are the same query asked by the same user."""
        parameters = [("query", self.query)]
        if self.namespace:
            parameters.append(("namespace", self.namespace))
        parameters += self.query_parameters.items()
        if (key := self.key_in_query()) is not None:
            parameters.append(key)
        return Request(
            f"{self.address().path.rstrip('/')}/api/v1/query?{urlencode(parameters)}",
            tuple((name, SecretStr(value)) for name, value in self.custom_headers.items()),
            self.timeout_s(),
            _MAX_ANSWER_BYTES,
        )


class PrometheusScaler(Scaler[PrometheusConfig]):
    """Value of a Prometheus query.

    Reads:
        The value of the one series that `query` gives now, by `GET <serverAddress>/api/v1/query`, with `namespace` and
        `queryParameters` as further parameters and `customHeaders` as headers. Nothing but that request is needed.

        | the answer | ignoreNullValues true | false |
        |---|---|---|
        | one series | its value | its value |
        | no series (what is asked for does not exist), no value (as in a range vector), NaN, +Inf, -Inf | 0 | unavailable |
        | several series, a scalar, a string | rejected | rejected |
        | a sample whose value is null | -1 | -1 |

    Active:
        The value is above `activationThreshold`.

    Errors:
        | error | meaning | what to do |
        |---|---|---|
        | the query gives N series, expected one | the query keeps labels | aggregate: `sum(...)`, `max(...)` |
        | the answer is no instant vector | it gives a scalar or a string, or another server answers | `vector(...)`; check `serverAddress` |
        | Prometheus refused the query: ... | status 400 or 422, with Prometheus' own reason | mend the query |
        | the query gives nothing (ignoreNullValues is false) | no series now | see whether the target is scraped |
        | HTTP status 401, 403 | wrong credentials | check `authModes` and its parameters |
        | HTTP status 404 | no query API there | check the path of `serverAddress` |
        | HTTP status 3xx | a redirect, which is not followed | name the server that it leads to |
        | HTTP status 408, 425, 429, 5xx; no answer within N s; connection refused | unavailable | it is tried again by itself |
        | the server's certificate is not trusted | `ca` is missing or wrong | set `ca` |

    Differences from KEDA:
        | KEDA | here |
        |---|---|
        | sends `time`, the operator's clock | leaves it out: the server's now, so that equal queries of many triggers are one request |
        | `threshold` may be 0 or negative | above 0 |
        | `serverAddress` may be any text | an http or https URL without a query |
        | `serverAddress`, `queryParameters` and `customHeaders` stand in metadata only | an authentication may give them, too, since they may hold secrets |
        | credentials whose mode `authModes` does not name are ignored | refused |
        | certificates are checked when the scaler is built | checked by `validate`; `ca`, `cert` and `key` need https |
        | the proxy of the environment (`HTTP_PROXY`, ...) is used | it connects directly |
        | unknown parameters, `metricName` among them, are ignored | refused |
        | `namespace` is sent as it is | URL-encoded |
        | a value that is no text breaks the scaler | rejected |
        | `apiKey` and `oauth` are accepted and send nothing; of several modes one is sent | each sends what it is for |
        | `awsRegion`, `identityOwner`, `credentialsFromEnvFile`, pod identities | refused: they exist in a cloud only |
    """  # noqa: E501 - tables

    type = "prometheus"
    Config = PrometheusConfig

    def __init__(self, config: PrometheusConfig, client: HttpClient, caller: Caller) -> None:
        self._request = config.request()
        self._server = config.server()
        self._ignore_null_values = config.ignore_null_values
        self._client = client
        self._caller = caller

    @classmethod
    @asynccontextmanager
    async def open(cls, config: PrometheusConfig, connections: Connections) -> AsyncIterator[Self]:
        """Borrow the server's client."""
        async with (
            HttpClient.shared("prometheus", config.server(), connections) as client,
            Caller.open(config, connections) as caller,
        ):
            yield cls(config, client, caller)

    async def read(self) -> Reading:
        """Ask for the query's value."""
        answer = await self._caller.ask(self._client, self._request)
        if answer.status in _REFUSED:
            raise SourceRejected(f"{self._server}: Prometheus refused the query: {refusal_of(answer.body)}")
        body = answer.require_success(self._server).body
        return Reading(value=value_of(body, ignore_null_values=self._ignore_null_values))
