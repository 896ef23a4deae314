"""Lag and activity of a consumer group are what KEDA's own code makes of the same offsets, poll by poll."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from scalers.kafka.apache import ApacheKafkaScaler
from scalers.kafka.kafka import KafkaScaler
from scalers.kafka.lag import LagRules, Offsets, Partition, committed, total_lag

SCALERS = {scaler.type: scaler for scaler in (KafkaScaler, ApacheKafkaScaler)}


def rules_of(case: Mapping[str, Any]) -> LagRules:
    """Return the case's rules, those that a manifest with these parameters gives where it may have them together."""
    given = case["metadata"]
    rules = LagRules(
        threshold=given["lagThreshold"],
        from_earliest=given["offsetResetPolicy"] == "earliest",
        nothing_when_uncommitted=given["scaleToZeroOnInvalidOffset"],
        exclude_persistent=given["excludePersistentLag"],
        allow_idle_consumers=given["allowIdleConsumers"],
        limit_to_partitions_with_lag=given["limitToPartitionsWithLag"],
        even_distribution=given["ensureEvenDistributionOfPartitions"],
    )
    parameters = {"bootstrapServers": "kafka:9092", "consumerGroup": "workers", "topic": "jobs", **given}
    try:
        config = SCALERS[case["scaler"]].Config.model_validate(parameters)
    except ValidationError:
        # Recorded all the same: KEDA refuses these together, too, but not where it counts.
        assert rules.limit_to_partitions_with_lag
        assert rules.allow_idle_consumers or rules.even_distribution
    else:
        assert config.rules() == rules
        assert config.activation() == given["activationLagThreshold"]
    return rules


def differences(case: Mapping[str, Any]) -> list[str]:
    """Return the polls in which the lag or the activity would have been another."""
    rules, previous, found = rules_of(case), dict[Partition, int](), []
    for number, poll in enumerate(case["polls"]):
        assert not poll["expected_error"]
        offsets = {
            Partition(topic, it["partition"]): Offsets(it["committed"], it["end"])
            for topic, partitions in poll["topics"].items()
            for it in partitions
        }
        lag = total_lag(rules, offsets, previous)
        previous |= committed(offsets)
        ours = lag.value * 1000, lag.with_persistent > case["metadata"]["activationLagThreshold"]
        if ours != (poll["expected_metric_milli"], poll["expected_active"]):
            found.append(f"poll {number}: {ours}")
    return found


@pytest.mark.parametrize("scaler", sorted(SCALERS))
def test_lag_and_activity_are_keda_s(scaler: str, recorded: Callable[[str], list[dict[str, Any]]]) -> None:
    cases = [case for case in recorded("keda-kafka-lag") if case["scaler"] == scaler]
    found = [(case["id"], differing) for case in cases if (differing := differences(case))]
    print(f"{len(cases)} cases")  # noqa: T201 - what the run is to show
    assert len(cases) == 360
    assert not found, f"{len(found)} cases differ; the first: {found[0]}"
