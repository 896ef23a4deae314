"""Parameters of the `rabbitmq` trigger, under KEDA's names."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from scaler.clients.tls import Tls
from scaler.ports.parameters import (
    Boolean,
    Float,
    NotNegativeInteger,
    PositiveFloat,
    PositiveInteger,
    Refused,
)
from scaler.ports.scaler import ScalerConfig
from scalers.rabbitmq.address import Address, read_address
from scalers.rabbitmq.values import Mode, Operation

_NO_SECRET = SecretStr("")
_DEFAULT_LENGTH = 20.0
_LARGEST_PAGE = 500
# The protocol has no longer ones.
_LONGEST_NAME_BYTES = 255
_OfOAuth = Annotated[SkipJsonSchema[None], Refused("OAuth is not supported yet; use username and password")]
_OfAzure = Annotated[
    SkipJsonSchema[None], Refused("Azure's workload identity exists only in Azure; use username and password")
]


def _parameter(name: str, description: str, default: Any = None, *, sources: str = "M") -> Any:
    return Field(default, validation_alias=name, description=description, json_schema_extra={"sources": sources})


class RabbitMQConfig(ScalerConfig):
    """Which queue of which broker, what is measured of it, and who asks."""

    queue_name: str = Field(
        validation_alias="queueName", description="name of the queue; with useRegex, a pattern of names"
    )
    host: SecretStr = Field(
        validation_alias="host",
        description="URL with amqp, amqps, http or https; may hold user and password; its path ends with the virtual "
        "host, percent-encoded",
        json_schema_extra={"sources": "MEA"},
    )
    protocol: Literal["auto", "amqp", "http"] = _parameter(
        "protocol", "how the broker is asked; auto: as the URL's scheme says", "auto", sources="MA"
    )
    vhost_name: str = _parameter("vhostName", "virtual host, instead of that in the URL's path", "", sources="MA")
    mode: Mode | None = _parameter("mode", "what is measured, together with value; QueueLength when neither is given")
    value: PositiveFloat | None = _parameter("value", "what one replica carries, in the mode's unit")
    queue_length: Float = _parameter(
        "queueLength", "deprecated: messages that one replica carries, instead of mode and value; 0: not given", 0.0
    )
    activation_value: Float = _parameter("activationValue", "active above this, in the mode's unit", 0.0)
    use_regex: Boolean = _parameter(
        "useRegex", "queueName is a pattern: all queues that match are measured as one (http only)", default=False
    )
    operation: Operation = _parameter("operation", "how several queues become one", Operation.SUM)
    page_size: PositiveInteger = _parameter("pageSize", "with useRegex, the most queues that may match", 100)
    exclude_unacknowledged: Boolean = _parameter(
        "excludeUnacknowledged", "count messages that are ready only (http only; amqp counts no others)", default=False
    )
    timeout_ms: NotNegativeInteger = _parameter(
        "timeout", "milliseconds that one read may take; 0: as always (http only)", 0
    )
    username: str = _parameter("username", "user, instead of that in the URL; together with password", "", sources="EA")
    password: SecretStr = _parameter("password", "password, instead of that in the URL", _NO_SECRET, sources="EA")
    tls: Literal["enable", "disable"] = _parameter(
        "tls", "enable: the URL's scheme must be amqps or https", "disable", sources="A"
    )
    ca: str = _parameter("ca", "PEM certificates to trust besides the system's", "", sources="A")
    cert: str = _parameter("cert", "PEM client certificate, together with key", "", sources="A")
    key: SecretStr = _parameter("key", "PEM private key of the client certificate", _NO_SECRET, sources="A")
    key_password: SecretStr = _parameter("keyPassword", "password of the private key", _NO_SECRET, sources="A")
    unsafe_ssl: Boolean = _parameter("unsafeSsl", "do not verify the server's certificate", default=False)
    workload_identity_resource: _OfAzure = _parameter("workloadIdentityResource", "", sources="A")
    client_id: _OfOAuth = _parameter("clientID", "", sources="A")
    client_secret: _OfOAuth = _parameter("clientSecret", "", sources="A")
    oauth_token_uri: _OfOAuth = _parameter("oauthTokenURI", "", sources="A")
    scopes: _OfOAuth = _parameter("scopes", "", sources="A")
    endpoint_params: _OfOAuth = _parameter("endpointParams", "", sources="A")

    @field_validator("host")
    @classmethod
    def _check_host(cls, host: SecretStr) -> SecretStr:
        read_address(host.get_secret_value())
        return host

    @field_validator("queue_length")
    @classmethod
    def _check_queue_length(cls, length: float) -> float:
        if length < 0:
            raise ValueError("expected a number above 0")
        return length

    @field_validator("page_size")
    @classmethod
    def _check_page_size(cls, size: int) -> int:
        if size > _LARGEST_PAGE:
            raise ValueError(f"expected at most {_LARGEST_PAGE}, the management API's own limit")
        return size

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        self._check_target()
        if bool(self.username) != bool(self.password):
            raise ValueError("expected both username and password, or neither")
        address = self.address()
        self._check_protocol(address)
        if not self.use_regex and len(self.queue_name.encode()) > _LONGEST_NAME_BYTES:
            raise ValueError(f"expected a queueName of at most {_LONGEST_NAME_BYTES} bytes")
        if (tls := self.tls_for(address)) is not None:
            tls.check()
        return self

    def _check_target(self) -> None:
        if self.queue_length and (self.mode is not None or self.value is not None):
            raise ValueError("expected mode and value, or the deprecated queueLength, not both")
        if (self.mode is None) != (self.value is None):
            raise ValueError("expected both mode and value, or neither")

    def _check_protocol(self, address: Address) -> None:
        is_http = address.scheme.startswith("http")
        if self.protocol != "auto" and is_http != (self.protocol == "http"):
            raise ValueError(f"expected a host whose URL is one of {self.protocol}, as protocol says")
        if is_http:
            return
        http_only = {
            f"the mode {self.measured_mode}": self.measured_mode is not Mode.QUEUE_LENGTH,
            "useRegex": self.use_regex,
            "excludeUnacknowledged": self.exclude_unacknowledged,
            "timeout": bool(self.timeout_ms),
        }
        if wrong := [name for name, used in http_only.items() if used]:
            raise ValueError(f"expected a host with http or https: amqp does not know {' and '.join(wrong)}")

    @property
    def measured_mode(self) -> Mode:
        """The mode, which may have been left out."""
        return self.mode or Mode.QUEUE_LENGTH

    def counts_in_progress(self) -> bool:
        """Tell whether unacknowledged messages count: the management API's length has them, amqp's has not."""
        lengths = self.measured_mode is Mode.QUEUE_LENGTH and not self.exclude_unacknowledged
        # Of a manifest that is only looked at the host may not be known.
        known = "host" in self.model_fields_set
        return lengths and known and self.address().scheme.startswith("http")

    def target(self) -> float:
        """Return what one replica carries, in the mode's unit."""
        return self.value or self.queue_length or _DEFAULT_LENGTH

    def activation(self) -> float:
        """Return the value above which the trigger is active."""
        return self.activation_value

    def read_timeout_s(self) -> float | None:
        """Return `timeout` in seconds."""
        return self.timeout_ms / 1000 or None

    def address(self) -> Address:
        """Return which virtual host of which server, and who asks."""
        address = read_address(self.host.get_secret_value(), self.vhost_name)
        if self.username:
            return replace(address, username=self.username, password=self.password)
        return address

    def tls_for(self, address: Address) -> Tls | None:
        """Return whom to trust and what to show there; None without TLS."""
        tls = Tls(self.ca, self.cert, self.key, self.key_password, verify=not self.unsafe_ssl)
        if address.encrypted:
            return tls
        if self.tls == "enable" or tls.has_material:
            raise ValueError("expected a host with amqps or https: without TLS, tls, ca, cert and key have no effect")
        return None
