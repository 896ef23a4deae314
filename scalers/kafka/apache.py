"""The `apache-kafka` trigger: the same lag under KEDA's other table of parameters."""

from __future__ import annotations

from typing import Annotated, Literal

from scalers.kafka.config import KafkaLagConfig, Supported, parameter
from scalers.kafka.consumer_lag import ConsumerLagScaler


class ApacheKafkaConfig(KafkaLagConfig):
    """Parameters of the `apache-kafka` trigger."""

    topic: str | None = parameter(
        "topic",
        "topics whose lag counts, separated by commas; without them all for which the group has committed",
        sources="ME",
    )
    sasl: Annotated[Literal["none", "plaintext", "scram_sha256", "scram_sha512"], Supported] = parameter(
        "sasl", "how to authenticate", "none", sources="MA"
    )

    def sasl_kind(self) -> str:
        """Return what `sasl` says."""
        return self.sasl

    def topics(self) -> frozenset[str]:
        """Return the topics that count; none stands for all of the group's."""
        return frozenset(name.strip() for name in (self.topic or "").split(",") if name.strip())


class ApacheKafkaScaler(ConsumerLagScaler[ApacheKafkaConfig]):
    """Lag of a consumer group on Kafka topics.

    Reads:
        as the trigger [kafka](kafka.md), and `topic` may name several, separated by commas. They must all exist.
    Active:
        when the sum, persistent lag included and without the limit, is above `activationLagThreshold`.
    Push:
        as the trigger [kafka](kafka.md), for all topics that are named.
    Errors:
        as the trigger [kafka](kafka.md).
    Differences from KEDA:
        | KEDA | here |
        |---|---|
        | without a `topic`, all topics of the cluster; an error while the group has no members, so nothing starts it \
from zero | all topics for which the group has committed anything, as the trigger `kafka` does |
        | `topic` names one that does not exist: 0 | an error |
        | `aws_msk_iam` | refused with the reason |
        | ca, cert and key that cannot be used are found out when it connects | when the manifest is read |
        | polled | also woken by records, but for `excludePersistentLag`, which compares polls |
    """

    type = "apache-kafka"
    Config = ApacheKafkaConfig
