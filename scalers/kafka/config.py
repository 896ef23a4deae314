"""The parameters that both Kafka triggers share: KEDA's names for brokers, group, counting, credentials and TLS."""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from scaler.clients.tls import Tls
from scaler.ports.parameters import Boolean, NotNegativeInteger, PositiveInteger, Refused
from scaler.ports.scaler import ScalerConfig
from scalers.kafka.lag import LagRules
from scalers.kafka.server import DEFAULT_PORT, OAuth, Password, Sasl, Server

_MAX_PORT = 65535
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s:/@,\[\]]+)(:(?P<port>[0-9]+))?", re.ASCII)
_RANGE = re.compile(r"(?P<first>[0-9]+)(-(?P<last>[0-9]+))?", re.ASCII)
# More than any topic has; a longer range is a slip, and would only fill memory.
_MAX_PARTITION = 1_000_000
NO_SECRET = SecretStr("")
_MECHANISMS = {"plaintext": "PLAIN", "scram_sha256": "SCRAM-SHA-256", "scram_sha512": "SCRAM-SHA-512"}
_NEEDS_KERBEROS = "gssapi is not supported: it needs a Kerberos library that is not carried"
_NEEDS_AWS = "aws_msk_iam is not supported: it exists in its own cloud only"


def _supported(given: Any) -> Any:
    if isinstance(given, str):
        given = given.strip()
        if given in (reasons := {"gssapi": _NEEDS_KERBEROS, "aws_msk_iam": _NEEDS_AWS}):
            raise ValueError(reasons[given])
    return given


# How to authenticate; what cannot be supported is refused with the reason.
Supported = BeforeValidator(_supported)
OfKerberos = Annotated[SkipJsonSchema[None], Refused(_NEEDS_KERBEROS)]
OfAws = Annotated[SkipJsonSchema[None], Refused(_NEEDS_AWS)]


def parameter(name: str, description: str, default: Any = None, *, sources: str = "M") -> Any:
    """Declare a field under KEDA's name; see `ScalerConfig` for the sources."""
    return Field(default, validation_alias=name, description=description, json_schema_extra={"sources": sources})


class KafkaLagConfig(ScalerConfig):
    """Which group is measured on which brokers, and how its lag counts."""

    bootstrap_servers: str = Field(
        validation_alias="bootstrapServers",
        description="brokers as host:port, separated by commas; the port is 9092 unless given",
        json_schema_extra={"sources": "ME"},
    )
    consumer_group: str = Field(
        validation_alias="consumerGroup", description="group whose lag counts", json_schema_extra={"sources": "ME"}
    )
    topic: str | None = parameter(
        "topic", "topic whose lag counts; without it all topics for which the group has committed", sources="ME"
    )
    partition_limitation: str | None = parameter(
        "partitionLimitation", "partitions of the topic that count, such as 1,2,5-7; all by default"
    )
    lag_threshold: PositiveInteger = parameter("lagThreshold", "records that one replica carries", 10)
    activation_lag_threshold: NotNegativeInteger = parameter(
        "activationLagThreshold", "active above this number of records", 0
    )
    offset_reset_policy: Literal["latest", "earliest"] = parameter(
        "offsetResetPolicy",
        "where the group begins in a partition for which it has committed nothing: `latest` counts 1 for it, "
        "`earliest` all its records",
        "latest",
    )
    allow_idle_consumers: Boolean = parameter(
        "allowIdleConsumers", "want more replicas than there are partitions", default=False
    )
    exclude_persistent_lag: Boolean = parameter(
        "excludePersistentLag",
        "a partition in which the group has committed the same offset as at the last reading counts for activity only",
        default=False,
    )
    scale_to_zero_on_invalid_offset: Boolean = parameter(
        "scaleToZeroOnInvalidOffset", "a partition for which the group has committed nothing counts 0", default=False
    )
    limit_to_partitions_with_lag: Boolean = parameter(
        "limitToPartitionsWithLag", "want no more replicas than there are partitions with lag", default=False
    )
    ensure_even_distribution: Boolean = parameter(
        "ensureEvenDistributionOfPartitions",
        "want such a number of replicas that each gets equally many partitions",
        default=False,
    )
    tls: Literal["enable", "disable"] = parameter("tls", "connect with TLS", "disable", sources="MA")
    ca: str = parameter("ca", "PEM certificates to trust besides the system's", "", sources="A")
    cert: str = parameter("cert", "PEM client certificate, together with key", "", sources="A")
    key: SecretStr = parameter("key", "PEM private key of the client certificate", NO_SECRET, sources="A")
    key_password: SecretStr = parameter("keyPassword", "password of the private key", NO_SECRET, sources="A")
    username: str = parameter("username", "user; the client id of oauthbearer", "", sources="A")
    password: SecretStr = parameter(
        "password", "password of the user; the client secret of oauthbearer", NO_SECRET, sources="A"
    )

    aws_region: OfAws = Field(None, validation_alias="awsRegion")

    @field_validator("bootstrap_servers")
    @classmethod
    def _check_servers(cls, given: str) -> str:
        """Say what is wrong without repeating it: there may be a password in it."""
        _addresses(given)
        return given

    @field_validator("partition_limitation")
    @classmethod
    def _check_partitions(cls, given: str | None) -> str | None:
        if given is not None:
            _numbers(given)
        return given

    @field_validator("password")
    @classmethod
    def _strip(cls, given: SecretStr) -> SecretStr:
        # A secret of a file often ends with a line break.
        return SecretStr(given.get_secret_value().strip())

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.limit_to_partitions_with_lag and self.allow_idle_consumers:
            raise ValueError("expected allowIdleConsumers or limitToPartitionsWithLag, not both")
        if self.limit_to_partitions_with_lag and self.ensure_even_distribution:
            raise ValueError("expected limitToPartitionsWithLag or ensureEvenDistributionOfPartitions, not both")
        if self.limit_to_partitions_with_lag and self.topic is None:
            raise ValueError("expected a topic: limitToPartitionsWithLag needs one")
        if (tls := self.server().tls) is not None:
            tls.check()
        return self

    def target(self) -> float:
        """Return the records that one replica carries."""
        return self.lag_threshold

    def activation(self) -> float:
        """Return the number of records above which the trigger is active."""
        return self.activation_lag_threshold

    def rules(self) -> LagRules:
        """Return how the lag counts."""
        return LagRules(
            threshold=self.lag_threshold,
            from_earliest=self.offset_reset_policy == "earliest",
            nothing_when_uncommitted=self.scale_to_zero_on_invalid_offset,
            exclude_persistent=self.exclude_persistent_lag,
            allow_idle_consumers=self.allow_idle_consumers,
            limit_to_partitions_with_lag=self.limit_to_partitions_with_lag,
            even_distribution=self.ensure_even_distribution,
        )

    def topics(self) -> frozenset[str]:
        """Return the topics that count; none stands for all of the group's."""
        return frozenset() if self.topic is None else frozenset((self.topic,))

    def partitions(self) -> frozenset[int]:
        """Return the partitions that count; none stands for all. Without a topic all count, as in KEDA."""
        return (
            frozenset()
            if self.partition_limitation is None or self.topic is None
            else _numbers(self.partition_limitation)
        )

    def server(self) -> Server:
        """Return what to connect to."""
        return Server(_addresses(self.bootstrap_servers), self._sasl(), self._tls())

    @abstractmethod
    def sasl_kind(self) -> str:
        """Return KEDA's name for the way to authenticate."""

    def oauth(self) -> OAuth:
        """Return where tokens come from."""
        raise NotImplementedError

    def verify_server(self) -> bool:
        """Whether the server's certificate is checked."""
        return True

    def _sasl(self) -> Sasl | None:
        kind = self.sasl_kind()
        if kind == "none":
            return None
        if not self.username or not self.password.get_secret_value():
            raise ValueError(f"expected username and password: sasl {kind} needs them")
        if kind == "oauthbearer":
            return self.oauth()
        return Password(_MECHANISMS[kind], self.username, self.password)

    def _tls(self) -> Tls | None:
        tls = Tls(self.ca, self.cert, self.key, self.key_password, verify=self.verify_server())
        if self.tls == "enable":
            return tls
        if tls.has_material:
            raise ValueError("expected tls: enable; ca, cert and key have no effect without TLS")
        return None


def _addresses(given: str) -> tuple[tuple[str, int], ...]:
    addresses = []
    for part in given.split(","):
        match = _ADDRESS.fullmatch(part.strip())
        if match is None:
            raise ValueError("expected host:port, or several separated by commas")
        port = int(match["port"] or DEFAULT_PORT)
        if not 0 < port <= _MAX_PORT:
            raise ValueError(f"expected ports from 1 to {_MAX_PORT}")
        addresses.append((match["host"].strip("[]"), port))
    return tuple(addresses)


def _numbers(given: str) -> frozenset[int]:
    numbers: set[int] = set()
    for part in given.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise ValueError("expected numbers and ranges of partitions, such as 1,2,5-7")
        first, last = int(match["first"]), int(match["last"] or match["first"])
        if first > last or last > _MAX_PARTITION:
            raise ValueError(f"expected ranges of partitions that rise, up to {_MAX_PARTITION}")
        numbers.update(range(first, last + 1))
    return frozenset(numbers)
