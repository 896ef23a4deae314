"""The `kafka` trigger."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from scaler.ports.parameters import Boolean
from scalers.kafka.config import KafkaLagConfig, OfKerberos, Supported, parameter
from scalers.kafka.consumer_lag import ConsumerLagScaler
from scalers.kafka.server import OAuth

_VERSION = re.compile(r"0\.[0-9]+\.[0-9]+\.[0-9]+|[1-9][0-9]*\.[0-9]+\.[0-9]+", re.ASCII)


class KafkaConfig(KafkaLagConfig):
    """Parameters of the `kafka` trigger."""

    full_metadata: Boolean = parameter(
        "fullMetadata",
        "false needs a topic; either way only the topics that triggers name are asked for",
        default=True,
    )
    version: str = parameter(
        "version", "Kafka's version, three numbers; checked only, as what the brokers know is found out", "1.0.0"
    )
    unsafe_ssl: Boolean = parameter("unsafeSsl", "do not verify the servers' certificates", default=False)
    sasl: Annotated[Literal["none", "plaintext", "scram_sha256", "scram_sha512", "oauthbearer"], Supported] = parameter(
        "sasl", "how to authenticate", "none", sources="MA"
    )
    sasl_token_provider: Annotated[Literal["bearer"], Supported] = parameter(
        "saslTokenProvider", "where oauthbearer's tokens come from", "bearer", sources="MA"
    )
    scopes: str = parameter("scopes", "scopes of the token, separated by commas", "", sources="A")
    oauth_token_endpoint_uri: str = parameter(
        "oauthTokenEndpointUri", "URL that issues tokens for username and password", "", sources="A"
    )
    oauth_extensions: str = parameter(
        "oauthExtensions", "SASL extensions that go with the token: name=value, separated by commas", "", sources="A"
    )

    keytab: OfKerberos = Field(None, validation_alias="keytab")
    realm: OfKerberos = Field(None, validation_alias="realm")
    kerberos_config: OfKerberos = Field(None, validation_alias="kerberosConfig")
    kerberos_service_name: OfKerberos = Field(None, validation_alias="kerberosServiceName")
    kerberos_disable_fast: OfKerberos = Field(None, validation_alias="kerberosDisableFAST")

    @field_validator("version")
    @classmethod
    def _check_version(cls, given: str) -> str:
        if _VERSION.fullmatch(given) is None:
            raise ValueError("expected a version of three numbers, such as 3.9.0")
        return given

    @field_validator("oauth_token_endpoint_uri")
    @classmethod
    def _check_endpoint(cls, given: str) -> str:
        """Say what is wrong without repeating it: there may be a password in it."""
        url = urlsplit(given)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError("expected an http or https URL")
        if url.username or url.password:
            raise ValueError("expected a URL without credentials; username and password are for these")
        return given

    @field_validator("oauth_extensions")
    @classmethod
    def _check_extensions(cls, given: str) -> str:
        _extensions(given)
        return given

    @model_validator(mode="after")
    def _check_topic(self) -> Self:
        if self.topic is None and not self.full_metadata:
            raise ValueError("expected a topic: fullMetadata false needs one")
        if self.topic is None and self.ensure_even_distribution:
            raise ValueError("expected a topic: ensureEvenDistributionOfPartitions needs one")
        return self

    def sasl_kind(self) -> str:
        """Return what `sasl` says."""
        return self.sasl

    def verify_server(self) -> bool:
        """Whether the server's certificate is checked."""
        return not self.unsafe_ssl

    def oauth(self) -> OAuth:
        """Return where tokens come from."""
        if not self.oauth_token_endpoint_uri:
            raise ValueError("expected an oauthTokenEndpointUri: sasl oauthbearer needs one")
        return OAuth(
            endpoint=self.oauth_token_endpoint_uri,
            client_id=self.username,
            client_secret=self.password,
            scopes=tuple(scope.strip() for scope in self.scopes.split(",") if scope.strip()),
            extensions=_extensions(self.oauth_extensions),
        )


def _extensions(given: str) -> tuple[tuple[str, str], ...]:
    if not given:
        return ()
    pairs = [part.strip().partition("=") for part in given.split(",")]
    if not all(name and equals for name, equals, _ in pairs):
        raise ValueError("expected name=value, several separated by commas")
    return tuple((name, value) for name, _, value in pairs)


class KafkaScaler(ConsumerLagScaler[KafkaConfig]):
    """Lag of a consumer group on a Kafka topic.

    Reads:
        the end of each partition of `topic` and what `consumerGroup` has committed there, by Metadata,
        FindCoordinator, OffsetFetch and ListOffsets requests; the user needs to be allowed to Describe the group and
        the topic. Without a `topic`, all topics for which the group has committed anything count.

        | partition | counts |
        |---|---|
        | the group has committed | end minus committed |
        | it has not, `offsetResetPolicy` is `latest` | 1, which starts a consumer that commits |
        | it has not, `offsetResetPolicy` is `earliest` | its end, all its records |
        | it has not, `scaleToZeroOnInvalidOffset` | 0 |
        | `excludePersistentLag`, committed is what it was at the last reading | 0 |
        | not in `partitionLimitation` (with a `topic`) | not at all |

        The value is the sum, at most `lagThreshold` times the number of partitions (with `limitToPartitionsWithLag`
        of those that lag; with `allowIdleConsumers` without limit; with `ensureEvenDistributionOfPartitions` rounded up
        to a number of replicas that divides the number of partitions).

        A topic that does not exist is an error; a group that does not exist has committed nothing, so with `latest`
        it counts 1 for each partition, and without a `topic` 0.
    Active:
        when the sum, persistent lag included and without the limit, is above `activationLagThreshold`.
    Push:
        a reader at the end of the topic, which joins no group and drops what it reads, wakes the workload within
        milliseconds of a new record (the user needs to be allowed to Read the topic; without, and without a
        `topic`, there is only polling).
    Errors:
        | error | meaning | what to do |
        |---|---|---|
        | unknown topic or partition | the topic does not exist | create it, or mend `topic` |
        | topic or group authorization failed | the user may not Describe it | grant it |
        | Authentication failed, invalid credentials | the brokers refuse the user | mend `username`, `password` |
        | the broker refused the token | `oauthbearer`: the brokers do not accept it | mend `scopes`, or the brokers |
        | unsupported sasl mechanism | the brokers' listener has another one | mend `sasl`, or the port |
        | certificate is not trusted | it is signed by nobody that is known, or for another name | mend `ca` |
        | ended the TLS handshake | the port does not speak TLS, or asks for a client certificate | mend `tls`, `cert` |
        | connection closed, no answer in time | an outage; or the port speaks TLS and `tls` is `disable` | it passes |
        | coordinator not available, no leader | brokers come and go | it passes |
    Differences from KEDA:
        | KEDA | here |
        |---|---|
        | a connection for each trigger, all topics' metadata unless `fullMetadata` is false | shared, and never more \
than the topics that triggers name |
        | `version` chooses the protocol | it is checked; what the brokers know is found out |
        | `gssapi`, `aws_msk_iam` | refused with the reason |
        | ca, cert and key that cannot be used are found out when it connects | when the manifest is read |
        | polled | also woken by records, but for `excludePersistentLag`, which compares polls |
    """

    type = "kafka"
    Config = KafkaConfig
