"""The `metrics-api` trigger: a number that an HTTP API tells."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Annotated, Self
from urllib.parse import urlencode

from pydantic import AfterValidator, Field, model_validator

from scaler.clients.http import HttpClient, Request
from scaler.clients.http_address import HttpAddress
from scaler.clients.http_auth import Caller, HttpSourceConfig
from scaler.model import Reading
from scaler.ports.connections import Connections
from scaler.ports.errors import SourceError, SourceRejected, SourceUnavailable
from scaler.ports.parameters import Boolean, Float, PositiveFloat
from scaler.ports.scaler import Scaler
from scalers.metrics_api.addresses import Addresses
from scalers.metrics_api.documents import MAX_BYTES, Format, series_of, value_in

# Answers larger than this part of what is read at all are read in a thread, so that other triggers need not wait.
_AT_ONCE = 1 / 64
_OK = 200
# What one slow address may keep the others waiting for, besides the time-out of its request.
_MARGIN_S = 0.5


class Aggregation(StrEnum):
    """What becomes of the numbers of several addresses."""

    AVERAGE = "average"
    SUM = "sum"
    MAX = "max"
    MIN = "min"


_AGGREGATE: Mapping[Aggregation, Callable[[Sequence[float]], float]] = {
    Aggregation.AVERAGE: lambda values: sum(values) / len(values),
    Aggregation.SUM: sum,
    Aggregation.MAX: max,
    Aggregation.MIN: min,
}


def _url(text: str) -> str:
    HttpAddress.parse(text)
    return text


class MetricsApiConfig(HttpSourceConfig):
    """Parameters of the `metrics-api` trigger."""

    url: Annotated[str, AfterValidator(_url)] = Field(
        validation_alias="url",
        repr=False,
        description="what to GET",
        json_schema_extra={"sources": "MA"},
    )
    value_location: str = Field(validation_alias="valueLocation", description="where in the answer the number stands")
    format: Format = Field(Format.JSON, validation_alias="format", description="what the answer is written in")
    target_value: PositiveFloat = Field(validation_alias="targetValue", description="value that one replica carries")
    activation_target_value: Float = Field(
        0.0, validation_alias="activationTargetValue", description="active above this value"
    )
    every_address: Boolean = Field(
        default=False,
        validation_alias="aggregateFromKubeServiceEndpoints",
        description="ask every address that the name in the URL resolves to",
    )
    aggregation_type: Aggregation = Field(
        Aggregation.AVERAGE, validation_alias="aggregationType", description="what becomes of their numbers"
    )

    @model_validator(mode="after")
    def _check_location(self) -> Self:
        if self.format is Format.PROMETHEUS:
            series_of(self.value_location)
        return self

    def target(self) -> float:
        """Return the value that one replica carries."""
        return self.target_value

    def activation(self) -> float:
        """Return the value above which the trigger is active."""
        return self.activation_target_value

    def address(self) -> HttpAddress:
        """Return where the API is."""
        return HttpAddress.parse(self.url)

    def read_timeout_s(self) -> float | None:
        """Return the seconds for a read, in which one slow address leaves time for the others to count."""
        return self.timeout_s() + _MARGIN_S if self.every_address else super().read_timeout_s()

    def request(self) -> Request:
        """Return what is asked; equal ones are the same question asked by the same user."""
        address = self.address()
        parts = [address.query.get_secret_value()]
        if (key := self.key_in_query()) is not None:
            parts.append(urlencode([key]))
        query = "&".join(part for part in parts if part)
        target = f"{address.path}?{query}" if query else address.path
        return Request(target, timeout_s=self.timeout_s(), max_bytes=MAX_BYTES[self.format])


class MetricsApiScaler(Scaler[MetricsApiConfig]):
    """Number that an HTTP API tells, in JSON, YAML, XML or Prometheus' text format.

    Reads:
        What `valueLocation` points at in the answer to `GET <url>`, which must have the status 200. A number counts as
        it is; a text is read as a Kubernetes quantity (`7.5`, `100m`, `2k`, `1Mi`).

        | format | valueLocation |
        |---|---|
        | `json` | a GJSON path: `jobs.waiting`, `list.1`, `list.#`, `queues.#(name=="mail").waiting`; a backslash before a dot makes it part of a name |
        | `yaml` | names and indexes with dots between: `queues.0.waiting` |
        | `xml` | names of elements, the root's first, and indexes among equal siblings: `queues.queue.1.waiting`; without an index the first |
        | `prometheus` | a series: `jobs_waiting`, `jobs_waiting{queue="mail"}`; of several that fit, the first |

        With `aggregateFromKubeServiceEndpoints` every address that the name in `url` resolves to is asked (in Docker the
        replicas of a service: a Compose service's name, Swarm's `tasks.SERVICE`), and `aggregationType` makes one number
        of theirs. Each is asked under the URL's own name, port and path; where the name has IPv4 addresses, only these.
        Addresses that fail are left out; it is an error when all do.

        Answers of up to 4 MiB are read (XML 1 MiB, YAML 64 KiB).

    Active:
        The value is above `activationTargetValue`.

    Errors:
        | error | meaning | what to do |
        |---|---|---|
        | there is nothing at valueLocation | the path leads nowhere, or the series is not there | compare it with the answer |
        | valueLocation points at a ..., the text at valueLocation is no number | not a number and not a quantity | point at one |
        | the value at valueLocation is not finite | NaN or infinity | unavailable; it is tried again by itself |
        | the answer is no JSON (YAML, XML, ...) | another format, or cut off | check `format` |
        | the answer is larger than N KiB | | let the API answer with less |
        | HTTP status 401, 403 | wrong credentials | check `authModes` and its parameters |
        | HTTP status 404, and any but 200 | nothing is there | check `url` |
        | HTTP status 3xx | a redirect, which is not followed | name the server that it leads to |
        | HTTP status 408, 425, 429, 5xx; no answer within N s; connection refused | unavailable | it is tried again by itself |
        | its name has no address now | unavailable | no replica runs, or the name is wrong |
        | the server's certificate is not trusted | `ca` is missing or wrong | set `ca` |

    Differences from KEDA:
        | KEDA | here |
        |---|---|
        | `aggregateFromKubeServiceEndpoints` asks the endpoints of the Kubernetes service named in `url` | asks the addresses that the name resolves to; the URL's query is kept, and Host and certificates are the name's |
        | `xml` always fails (its library cannot read a document without a type) | works as described above; documents with a DTD are refused |
        | an answer that is not quite JSON (cut off, with more behind it) is searched all the same | refused |
        | in Prometheus' format only counters, gauges and untyped series, matched by value whatever the operator | every line with that name, so `x_count` of a histogram, too; `=` is the only operator; lines of other metrics may be malformed |
        | YAML merge keys (`<<`) are followed | are a name as any other |
        | NaN, infinity, and text quantities above 2^63 (cut off there) are taken | NaN and infinity are unavailable, the others their own value |
        | `targetValue` may be negative | above 0 |
        | `url` may be any text | an http or https URL |
        | `url` stands in metadata only | an authentication may give it, too, since it may hold a secret |
        | credentials whose mode `authModes` does not name are ignored | refused |
        | certificates are checked when the scaler is built | checked by `validate`; `ca`, `cert` and `key` need https |
        | `custom` and `oauth` are accepted and send nothing | they send |
        | the proxy of the environment (`HTTP_PROXY`, ...) is used | it connects directly |
        | unknown parameters are ignored | refused |
    """  # noqa: E501 - tables

    type = "metrics-api"
    Config = MetricsApiConfig

    def __init__(self, config: MetricsApiConfig, clients: HttpClient | Addresses, caller: Caller) -> None:
        self._config = config
        self._server = config.server()
        self._request = config.request()
        self._clients = clients
        self._caller = caller

    @classmethod
    @asynccontextmanager
    async def open(cls, config: MetricsApiConfig, connections: Connections) -> AsyncIterator[Self]:
        """Borrow the server's client, or those of its addresses."""
        server, address = config.server(), config.address()
        async with Caller.open(config, connections) as caller:
            if config.every_address:
                async with Addresses.shared(server, address.host, address.port, connections) as addresses:
                    yield cls(config, addresses, caller)
            else:
                async with HttpClient.shared("metrics-api", server, connections) as client:
                    yield cls(config, client, caller)

    async def read(self) -> Reading:
        """Ask for the number."""
        if isinstance(self._clients, HttpClient):
            return Reading(value=await self._value(self._clients))
        clients = await self._clients.clients()
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(self._value_or_error(client)) for client in clients]
        outcomes = [task.result() for task in asking]
        values = [outcome for outcome in outcomes if not isinstance(outcome, SourceError)]
        if not values:
            raise next(outcome for outcome in outcomes if isinstance(outcome, SourceError))
        value = _AGGREGATE[self._config.aggregation_type](values)
        if not math.isfinite(value):
            raise SourceUnavailable(f"{self._server}: the numbers of its addresses are too large to be taken together")
        return Reading(value=value)

    async def _value_or_error(self, client: HttpClient) -> float | SourceError:
        try:
            return await self._value(client)
        except SourceError as error:
            return error

    async def _value(self, client: HttpClient) -> float:
        answer = await self._caller.ask(client, self._request)
        body = answer.require_success(self._server).body
        if answer.status != _OK:
            raise SourceRejected(f"{self._server}: HTTP status {answer.status}, expected 200")
        arguments = (body, self._config.format, self._config.value_location)
        if len(body) <= _AT_ONCE * MAX_BYTES[self._config.format]:
            return value_in(*arguments)
        return await asyncio.to_thread(value_in, *arguments)
