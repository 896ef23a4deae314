"""Reads where groups and topics stand, for many triggers at once, with as few requests as the brokers allow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, TypeVar

from scaler.ports.errors import SourceError, SourceUnavailable
from scalers.kafka.cluster import Cluster, Links
from scalers.kafka.connection import Connection
from scalers.kafka.errors import refusal, understood
from scalers.kafka.lag import NO_OFFSET, GroupOffsets, Offsets, Partition
from scalers.kafka.requests import FetchGroupOffsets, FetchGroupsOffsets, FindCoordinator, FindCoordinators, ListEnds

K = TypeVar("K")
T = TypeVar("T")
V = TypeVar("V")

# Broker and group, or leader and partition, may have parted since it was asked: once more after asking again.
_ATTEMPTS = 2
Committed: TypeAlias = Mapping[Partition, int]


@dataclass(frozen=True, slots=True)
class Question:
    """Where a group stands.

    Attributes:
        group: The consumer group.
        topics: In which topics; none stands for all for which it has committed anything.
    """

    group: str
    topics: frozenset[str]


class OffsetReader:
    """Answers batches of questions: committed offsets first, ends after them, so that no lag is below zero."""

    def __init__(self, cluster: Cluster, links: Links) -> None:
        self._cluster = cluster
        self._links = links
        self._coordinators: dict[str, int] = {}

    async def answer(self, questions: Sequence[Question]) -> list[GroupOffsets | SourceError]:
        """Return the answers in the same order; an error for a question that has none.

        Raises:
            SourceError: No broker answers.
        """
        await self.learn({name for question in questions for name in question.topics})
        committed = await self._committed({question.group for question in questions})
        wanted = {question: _topics(question, committed[question.group]) for question in questions}
        ends = await self.ends({name for names in wanted.values() for name in names})
        # What nobody asks for any more is forgotten.
        self._coordinators = {group: self._coordinators[group] for group in committed if group in self._coordinators}
        return [self._combined(committed[question.group], wanted[question], ends) for question in questions]

    async def revive(self) -> None:
        """Look for any broker that answers.

        Raises:
            SourceError: None does.
        """
        await self._links.learn(())

    async def learn(self, topics: Iterable[str]) -> None:
        """See that there are metadata of topics.

        Raises:
            SourceError: No broker answers.
        """
        if unknown := self._cluster.unknown(topics):
            await self._links.learn(unknown)

    async def _committed(self, groups: set[str]) -> dict[str, Committed | SourceError]:
        found: dict[str, Committed | SourceError] = {}
        pending = groups
        for _ in range(_ATTEMPTS):
            located = await self._locate({group for group in pending if group not in self._coordinators})
            found |= located
            pending -= located.keys()
            by_node = _grouped((group, self._coordinators[group]) for group in pending)
            found |= await self._ask_nodes(by_node, self._fetch)
            pending = {group for group in groups if isinstance(found[group], SourceUnavailable)}
            if not pending:
                break
            for group in pending:
                self._coordinators.pop(group, None)
            await self._links.learn(())
        return found

    async def _locate(self, groups: set[str]) -> dict[str, SourceError]:
        """Find the coordinators of groups, and return why that failed where it did."""
        if not groups:
            return {}
        failed: dict[str, SourceError] = {}
        for group, node, code in await self._links.ask_any(partial(_coordinators, sorted(groups))):
            error = refusal(code, source=self._cluster.server, what=f"group {group!r}")
            if error is None:
                self._coordinators[group] = node
            else:
                failed[group] = error
        return failed

    async def _fetch(self, node: int, groups: list[str]) -> dict[str, Committed | SourceError]:
        connection = await self._links.to(node)
        batch = FetchGroupsOffsets(groups)
        if connection.knows(batch):
            answer = await connection.send(batch)
            with understood(connection):
                answers = [(group, topics, code) for group, topics, code, _ in answer.groups]
        else:
            singles = await _together(connection.send(FetchGroupOffsets(group)) for group in groups)
            answers = [(group, it.topics, it.error_code) for group, it in zip(groups, singles, strict=True)]
        with understood(connection):
            return {group: self._parsed(group, topics, code) for group, topics, code in answers}

    def _parsed(self, group: str, topics: Iterable[Any], code: int) -> Committed | SourceError:
        if (error := refusal(code, source=self._cluster.server, what=f"group {group!r}")) is not None:
            return error
        return {
            Partition(name, number): offset
            for name, partitions, *_ in topics
            for number, offset, *_ in partitions
            if offset != NO_OFFSET
        }

    async def ends(self, topics: Iterable[str]) -> dict[Partition, int | SourceError]:
        """Return where the partitions of topics end.

        Raises:
            SourceError: No broker answers.
        """
        await self.learn(topics)
        found: dict[Partition, int | SourceError] = {}
        pending = set(topics)
        for _ in range(_ATTEMPTS):
            leaders = {
                partition: node for name in pending for partition, node in self._cluster.topic(name).leaders.items()
            }
            by_node = _grouped((partition, node) for partition, node in leaders.items() if node >= 0)
            for partition, node in leaders.items():
                if node < 0:
                    found[partition] = SourceUnavailable(
                        f"{self._cluster.server}: topic {partition.topic!r}: partition {partition.number} has no leader"
                    )
            found |= await self._ask_nodes(by_node, self._list)
            pending = {partition.topic for partition in leaders if isinstance(found[partition], SourceError)}
            if not pending:
                break
            self._cluster.doubt(pending)
            await self._links.learn(pending)
        return found

    async def _list(self, node: int, partitions: list[Partition]) -> dict[Partition, int | SourceError]:
        answer = await (await self._links.to(node)).send(ListEnds(partitions))
        with understood(self._cluster.server):
            return {
                Partition(name, number): refusal(code, source=self._cluster.server, what=f"topic {name!r}") or end
                for name, entries in answer.topics
                for number, code, _timestamp, end in entries
            }

    async def _ask_nodes(
        self, by_node: Mapping[int, list[K]], ask: Callable[[int, list[K]], Awaitable[dict[K, V]]]
    ) -> dict[K, V | SourceError]:
        """Ask all brokers at once; one that does not answer is the error of what it was asked for."""

        async def outcome(node: int, keys: list[K]) -> dict[K, V | SourceError]:
            found: dict[K, V | SourceError]
            try:
                found = {**await ask(node, keys)}
            except SourceError as error:
                return dict.fromkeys(keys, error)
            silent = SourceUnavailable(f"{self._cluster.server}: broker {node} left something out")
            return dict.fromkeys(keys, silent) | found

        answers = await _together(outcome(*item) for item in by_node.items())
        return {key: answer for found in answers for key, answer in found.items()}

    def _unknown_yet(self, topic: str) -> SourceUnavailable:
        return SourceUnavailable(f"{self._cluster.server}: topic {topic!r}: its partitions are not all known yet")

    def _combined(
        self, committed: Committed | SourceError, topics: Iterable[str], ends: Mapping[Partition, int | SourceError]
    ) -> GroupOffsets | SourceError:
        if isinstance(committed, SourceError):
            return committed
        offsets: dict[Partition, Offsets] = {}
        for name in topics:
            topic = self._cluster.topic(name)
            if topic.error is not None:
                return topic.error
            for partition in topic.leaders:
                # One that came up meanwhile is as unknown as a topic of which no partition is known: never nothing.
                end = ends.get(partition, self._unknown_yet(name))
                if isinstance(end, SourceError):
                    return end
                offsets[partition] = Offsets(committed.get(partition, NO_OFFSET), end)
            if not topic.leaders:
                return self._unknown_yet(name)
        return offsets


def _topics(question: Question, committed: Committed | SourceError) -> frozenset[str]:
    if question.topics or isinstance(committed, SourceError):
        return question.topics
    return frozenset(partition.topic for partition in committed)


def _grouped(pairs: Iterable[tuple[K, int]]) -> dict[int, list[K]]:
    grouped: dict[int, list[K]] = {}
    for key, node in pairs:
        grouped.setdefault(node, []).append(key)
    return grouped


async def _coordinators(groups: Sequence[str], connection: Connection) -> list[tuple[str, int, int]]:
    """Return group, node and error code."""
    batch = FindCoordinators(groups)
    if connection.knows(batch):
        answer = await connection.send(batch)
        with understood(connection):
            return [(group, node, code) for group, node, _host, _port, code, *_ in answer.coordinators]
    answers = await _together(connection.send(FindCoordinator(group)) for group in groups)
    return [(group, it.coordinator_id, it.error_code) for group, it in zip(groups, answers, strict=True)]


async def _together(asking: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return all answers, or raise the first error."""
    failures: list[BaseException] = []
    running: list[asyncio.Task[T]] = []
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(it) for it in asking]
    except* SourceError as errors:
        failures.extend(errors.exceptions)
    if failures:
        raise failures[0]
    return [task.result() for task in running]
