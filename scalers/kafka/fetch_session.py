"""A fetch session with one broker: it is told only what changes, and tells only where something happened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scalers.kafka.lag import Partition
from scalers.kafka.requests import Fetch

# How long a broker waits for records before it says that there are none: the time until a new partition is followed.
WAIT_MS = 500
# Records are not looked at. A broker sends one batch whatever the limit.
_MAX_BYTES = 1
_MAX_EPOCH = 2**31 - 1


@dataclass(frozen=True, slots=True)
class News:
    """What a broker says of a partition: an error code, or where it ends."""

    partition: Partition
    code: int
    end: int


class FetchSession:
    """Turns positions into requests and answers into news."""

    def __init__(self) -> None:
        self._id, self._epoch = 0, 0
        self._told: dict[Partition, int] = {}

    def request(self, positions: Mapping[Partition, int]) -> Fetch:
        """Return the request that waits for records from these positions on."""
        changed = {it: position for it, position in positions.items() if self._told.get(it) != position}
        forgotten = [it for it in self._told if it not in positions]
        self._told = dict(positions)
        return Fetch(
            session=self._id,
            epoch=self._epoch,
            positions=changed,
            forgotten=forgotten,
            wait_ms=WAIT_MS,
            max_bytes=_MAX_BYTES,
        )

    def news(self, answer: Any) -> Iterator[News]:
        """Yield what the answer says; none where the broker has given up the session, which then begins anew."""
        if answer.error_code or not answer.session_id:
            self._begin()
        else:
            self._id = answer.session_id
            self._epoch = self._epoch % _MAX_EPOCH + 1
        for topic, partitions in answer.topics:
            for number, code, end, *_ in partitions:
                yield News(Partition(topic, number), code, end)

    def _begin(self) -> None:
        self._id, self._epoch, self._told = 0, 0, {}
