"""How far a consumer group is behind, from offsets: KEDA's rules, without any I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

# What Kafka says where a group has committed nothing.
NO_OFFSET = -1


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition of a topic.

    Attributes:
        topic: Name of the topic.
        number: Number within the topic, from 0.
    """

    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class Offsets:
    """Where a group and the producers stand in one partition.

    Attributes:
        committed: The next record that the group will read; `NO_OFFSET` when it never committed.
        end: The offset that the next record will get.
    """

    committed: int
    end: int


GroupOffsets: TypeAlias = Mapping[Partition, Offsets]


@dataclass(frozen=True, slots=True)
class LagRules:
    """What a trigger's parameters say about counting.

    Attributes:
        threshold: Records that one replica carries.
        from_earliest: A group without a committed offset begins at the first record, not at the end.
        nothing_when_uncommitted: A partition without a committed offset counts nothing.
        exclude_persistent: What a group does not move on from counts for activity only.
        allow_idle_consumers: More replicas than partitions are wanted where the lag says so.
        limit_to_partitions_with_lag: No more replicas than partitions that lag.
        even_distribution: As many replicas as let each have equally many partitions.
    """

    threshold: int
    from_earliest: bool = False
    nothing_when_uncommitted: bool = False
    exclude_persistent: bool = False
    allow_idle_consumers: bool = False
    limit_to_partitions_with_lag: bool = False
    even_distribution: bool = False


@dataclass(frozen=True, slots=True)
class Lag:
    """What a trigger reports.

    Attributes:
        value: Records for which replicas are wanted.
        with_persistent: Records that wait, those that a group does not move on from included, and without any limit.
    """

    value: int
    with_persistent: int


def total_lag(rules: LagRules, offsets: GroupOffsets, previous: Mapping[Partition, int]) -> Lag:
    """Return the lag over all partitions.

    Args:
        rules: How to count.
        offsets: Of each partition that counts.
        previous: What was committed at the last reading, for `exclude_persistent`.
    """
    lags = [_partition_lag(rules, it, previous.get(partition)) for partition, it in offsets.items()]
    total = sum(lag.value for lag in lags)
    return Lag(_limited(rules, total, [lag.value for lag in lags]), sum(lag.with_persistent for lag in lags))


def committed(offsets: GroupOffsets) -> dict[Partition, int]:
    """Return what the next reading takes as `previous`."""
    return {partition: it.committed for partition, it in offsets.items() if it.committed != NO_OFFSET}


def _partition_lag(rules: LagRules, offsets: Offsets, previous: int | None) -> Lag:
    if offsets.committed == NO_OFFSET:
        if rules.nothing_when_uncommitted:
            return Lag(0, 0)
        # From the end on nobody can tell what waits: 1 starts a consumer, which commits.
        lag = offsets.end if rules.from_earliest else 1
        return Lag(lag, lag)
    lag = offsets.end - offsets.committed
    stuck = rules.exclude_persistent and offsets.committed == previous
    return Lag(0 if stuck else lag, lag)


def _limited(rules: LagRules, total: int, lags: list[int]) -> int:
    if rules.allow_idle_consumers and not (rules.limit_to_partitions_with_lag or rules.even_distribution):
        return total
    if rules.even_distribution:
        replicas = next((it for it in _factors(len(lags)) if it * rules.threshold >= total), len(lags))
        total = replicas * rules.threshold
    most = sum(lag > 0 for lag in lags) if rules.limit_to_partitions_with_lag else len(lags)
    # Whole replicas: a rest above the limit stays.
    return most * rules.threshold if total // rules.threshold > most else total


def _factors(number: int) -> Iterable[int]:
    return (it for it in range(1, number + 1) if number % it == 0)
