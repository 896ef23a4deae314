"""The requests that the scalers send, in versions that ask for many groups or partitions at once.

The client library has no version of two of them that a batch needs (one request for many groups), and lets Kafka
create topics that it asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.commit import OffsetFetchRequest_v2, OffsetFetchRequest_v3
from aiokafka.protocol.coordination import FindCoordinatorRequest_v0, FindCoordinatorRequest_v1
from aiokafka.protocol.fetch import FetchRequest_v7, FetchRequest_v11
from aiokafka.protocol.metadata import MetadataRequest_v4, MetadataRequest_v5
from aiokafka.protocol.offset import OffsetRequest_v1, OffsetRequest_v2, OffsetRequest_v3
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int8,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

from scalers.kafka.lag import Partition

_FIND_COORDINATOR = 10
_OFFSET_FETCH = 9
_GROUP_KEYS = 0
_LATEST = -1
_CONSUMER = -1
_READ_UNCOMMITTED = 0
_NO_TAGS: dict[int, bytes] = {}
_TEXT = CompactString("utf-8")


class _FindCoordinatorsAnswer(Response):  # type: ignore[misc]
    API_KEY = _FIND_COORDINATOR
    API_VERSION = 4
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "coordinators",
            CompactArray(
                ("key", _TEXT),
                ("node_id", Int32),
                ("host", _TEXT),
                ("port", Int32),
                ("error_code", Int16),
                ("error_message", _TEXT),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _FindCoordinatorsV4(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = _FIND_COORDINATOR
    API_VERSION = 4
    RESPONSE_TYPE = _FindCoordinatorsAnswer
    SCHEMA = Schema(("key_type", Int8), ("keys", CompactArray(_TEXT)), ("tags", TaggedFields))


class _OffsetFetchAnswer(Response):  # type: ignore[misc]
    API_KEY = _OFFSET_FETCH
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            CompactArray(
                ("group", _TEXT),
                (
                    "topics",
                    CompactArray(
                        ("topic", _TEXT),
                        (
                            "partitions",
                            CompactArray(
                                ("partition", Int32),
                                ("offset", Int64),
                                ("leader_epoch", Int32),
                                ("metadata", _TEXT),
                                ("error_code", Int16),
                                ("tags", TaggedFields),
                            ),
                        ),
                        ("tags", TaggedFields),
                    ),
                ),
                ("error_code", Int16),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _OffsetFetchV8(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = _OFFSET_FETCH
    API_VERSION = 8
    RESPONSE_TYPE = _OffsetFetchAnswer
    SCHEMA = Schema(
        (
            "groups",
            CompactArray(
                ("group", _TEXT),
                (
                    "topics",
                    CompactArray(("topic", _TEXT), ("partitions", CompactArray(Int32)), ("tags", TaggedFields)),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("require_stable", Boolean),
        ("tags", TaggedFields),
    )


class Metadata(Request[MetadataRequest_v4 | MetadataRequest_v5]):  # type: ignore[misc]
    """Brokers and topics' partitions; never in a version that creates topics (Kafka 0.11 and newer have these)."""

    API_KEY = 3

    def __init__(self, topics: Iterable[str]) -> None:
        self._topics = sorted(topics)

    def build(self, version: Any) -> Any:
        """Return the request in a version that the broker knows."""
        return version(self._topics, False)  # noqa: FBT003 - allow_auto_topic_creation


class FindCoordinators(Request[_FindCoordinatorsV4]):  # type: ignore[misc]
    """Which brokers know the offsets of many groups (Kafka 3.0)."""

    API_KEY = _FIND_COORDINATOR

    def __init__(self, groups: Iterable[str]) -> None:
        self._groups = sorted(groups)

    def build(self, version: Any) -> Any:
        """Return the request."""
        return version(_GROUP_KEYS, self._groups, _NO_TAGS)


class FindCoordinator(Request[FindCoordinatorRequest_v0 | FindCoordinatorRequest_v1]):  # type: ignore[misc]
    """Which broker knows the offsets of one group."""

    API_KEY = _FIND_COORDINATOR

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, version: Any) -> Any:
        """Return the request in a version that the broker knows."""
        return version(self._group) if version.API_VERSION == 0 else version(self._group, _GROUP_KEYS)


class FetchGroupsOffsets(Request[_OffsetFetchV8]):  # type: ignore[misc]
    """All that many groups have committed (Kafka 3.0)."""

    API_KEY = _OFFSET_FETCH

    def __init__(self, groups: Iterable[str]) -> None:
        self._groups = sorted(groups)

    def build(self, version: Any) -> Any:
        """Return the request."""
        return version([(group, None, _NO_TAGS) for group in self._groups], False, _NO_TAGS)  # noqa: FBT003


class FetchGroupOffsets(Request[OffsetFetchRequest_v2 | OffsetFetchRequest_v3]):  # type: ignore[misc]
    """All that one group has committed."""

    API_KEY = _OFFSET_FETCH

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, version: Any) -> Any:
        """Return the request in a version that the broker knows."""
        return version(self._group, None)


class ListEnds(Request[OffsetRequest_v1 | OffsetRequest_v2 | OffsetRequest_v3]):  # type: ignore[misc]
    """Where partitions end."""

    API_KEY = 2

    def __init__(self, partitions: Iterable[Partition]) -> None:
        self._topics = _by_topic((it, (it.number, _LATEST)) for it in partitions)

    def build(self, version: Any) -> Any:
        """Return the request in a version that the broker knows."""
        if version.API_VERSION == 1:
            return version(_CONSUMER, self._topics)
        return version(_CONSUMER, _READ_UNCOMMITTED, self._topics)


class Fetch(Request[FetchRequest_v7 | FetchRequest_v11]):  # type: ignore[misc]
    """Wait for records, in a session that needs to be told only what changes (Kafka 1.1)."""

    API_KEY = 1

    def __init__(
        self,
        *,
        session: int,
        epoch: int,
        positions: Mapping[Partition, int],
        forgotten: Iterable[Partition],
        wait_ms: int,
        max_bytes: int,
    ) -> None:
        self._session = session
        self._epoch = epoch
        self._positions = positions
        self._forgotten = _by_topic((it, it.number) for it in forgotten)
        self._wait_ms = wait_ms
        self._max_bytes = max_bytes

    def build(self, version: Any) -> Any:
        """Return the request in a version that the broker knows."""
        newer = version.API_VERSION > FetchRequest_v7.API_VERSION
        unknown_epoch = (-1,) if newer else ()
        topics = _by_topic(
            (it, (it.number, *unknown_epoch, position, -1, self._max_bytes)) for it, position in self._positions.items()
        )
        no_rack = ("",) if newer else ()
        return version(
            _CONSUMER,
            self._wait_ms,
            1,
            self._max_bytes,
            _READ_UNCOMMITTED,
            self._session,
            self._epoch,
            topics,
            self._forgotten,
            *no_rack,
        )


def _by_topic(entries: Iterable[tuple[Partition, Any]]) -> Sequence[tuple[str, list[Any]]]:
    topics: dict[str, list[Any]] = {}
    for partition, entry in entries:
        topics.setdefault(partition.topic, []).append(entry)
    return list(topics.items())
