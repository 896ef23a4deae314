"""Queues of one virtual host, from the management API: while several are asked for, one request answers them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote, quote_plus

from scaler.clients.batcher import GATHER_S
from scaler.ports.errors import SourceError, SourceRejected, SourceUnavailable
from scalers.rabbitmq.api import ManagementApi
from scalers.rabbitmq.errors import NoSuchQueue
from scalers.rabbitmq.listing import Listing, Queue
from scalers.rabbitmq.values import QueueState

T = TypeVar("T")

# What no broker holds, nor passes in a second.
_LARGEST = 1e15
_COLUMNS = "name,messages,messages_ready,message_stats.publish_details.rate,message_stats.deliver_get_details.rate"


@dataclass(frozen=True, slots=True)
class Vhost:
    """One virtual host: triggers for which these are equal share requests.

    Attributes:
        prefix: Path before `/api`, percent-encoded.
        name: Not percent-encoded.
        timeout_s: For one request.
    """

    prefix: str
    name: str
    timeout_s: float

    @property
    def queues(self) -> str:
        """Path of its queues, percent-encoded."""
        return f"{self.prefix}/api/queues/{quote(self.name, safe='')}"


class VhostQueues:
    """Reads queues, one by one or all at once."""

    def __init__(self, vhost: Vhost, api: ManagementApi) -> None:
        self._vhost = vhost
        self._source = f"{api}, virtual host {vhost.name!r}"
        self._api = api
        self._listing = Listing()
        self._asked: dict[str, asyncio.Future[Queue | SourceError]] = {}
        self._turns = asyncio.Lock()
        self._turn_waits = False
        self._answering: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Answer nobody any more."""
        for task in self._answering:
            task.cancel()
        if self._answering:
            await asyncio.wait(self._answering)
        for outcome in self._asked.values():
            outcome.set_result(self._closed())

    async def queue(self, name: str) -> QueueState:
        """Return one queue.

        Raises:
            SourceUnavailable: The API is lost, or its statistics do not have the queue (yet).
            NoSuchQueue: There is no such queue, or no such virtual host.
            SourceRejected: The API refuses us.
        """
        found = await self._ask(name)
        return self._known_state(found)

    async def matching(self, pattern: str, page_size: int) -> list[QueueState]:
        """Return the queues whose names match.

        Args:
            pattern: A regular expression of the broker's kind, to be found anywhere in a name.
            page_size: The most that may match.

        Raises:
            SourceUnavailable: The API is lost, or its statistics do not have one of the queues (yet).
            SourceRejected: More match, the pattern is none, the API refuses us, or there is no such virtual host.
        """
        query = f"page=1&use_regex=true&pagination=false&name={quote_plus(pattern)}&page_size={page_size}"
        page = await self._get(f"?{query}", dict)
        try:
            if _amount(page, "page_count") > 1:
                matching = _amount(page, "filtered_count")
                raise SourceRejected(f"{self._source}: {matching:g} queues match; pageSize allows {page_size}")
        except TypeError:
            raise self._api.nonsense() from None
        queues = page.get("items")
        if not isinstance(queues, list):
            raise self._api.nonsense()
        return [self._known_state(queue) for queue in queues]

    def _known_state(self, queue: Queue) -> QueueState:
        if not isinstance(queue, dict):
            raise self._api.nonsense()
        if queue.get("messages") is None:
            # Nobody knows how many: the queue is new, the broker just started, or the node that holds it is down.
            # Zero would be a guess that ends replicas at work.
            raise SourceUnavailable(f"{self._source}: the statistics do not have the queue {queue.get('name')!r}")
        try:
            return queue_state(queue)
        except TypeError:
            raise self._api.nonsense() from None

    async def _ask(self, name: str) -> Queue:
        if (listed := self._listing.find(name, _now())) is not None:
            if self._listing.is_due(_now()):
                self._take_turn()
            return listed
        outcome = self._asked.get(name)
        if outcome is None:
            outcome = self._asked[name] = asyncio.get_running_loop().create_future()
            self._take_turn()
        # Shielded: who stops waiting takes nothing from the others.
        answer = await asyncio.shield(outcome)
        if isinstance(answer, SourceError):
            raise answer.again()
        return answer

    def _take_turn(self) -> None:
        if not self._turn_waits:
            self._turn_waits = True
            task = asyncio.create_task(self._answer(), name=f"{self._source}: queues")
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def _answer(self) -> None:
        """Answer all who ask until their turn has come; one turn at a time, so that what comes meanwhile gathers."""
        asked: dict[str, asyncio.Future[Queue | SourceError]] = {}
        answers: dict[str, Queue | SourceError] = {}
        try:
            async with self._turns:
                await asyncio.sleep(GATHER_S)
                self._turn_waits = False
                asked, self._asked = self._asked, {}
                answers = await self._find(tuple(asked))
        finally:
            for name, outcome in asked.items():
                outcome.set_result(answers.get(name) or self._closed())

    async def _find(self, names: Sequence[str]) -> dict[str, Queue | SourceError]:
        # Without names, it was for the list that the turn was taken.
        if names and len(names) <= self._listing.few:
            alone = await asyncio.gather(*(self._alone(name) for name in names))
            return dict(zip(names, alone, strict=True))
        try:
            queues = await self._list_all()
        except SourceError as error:
            return dict.fromkeys(names, error)
        return {name: queues.get(name) or self._no_such(name) for name in names}

    async def _alone(self, name: str) -> Queue | SourceError:
        try:
            return await self._get(f"/{quote(name, safe='')}?columns={_COLUMNS}", dict)
        except NoSuchQueue:
            # The API says the same of a virtual host that does not exist, so both are named.
            return self._no_such(name)
        except SourceError as error:
            return error

    async def _list_all(self) -> Mapping[str, Queue]:
        began = _now()
        found = await self._get(f"?columns={_COLUMNS}", list, timeout_s=self._listing.timeout_s)
        try:
            queues: dict[str, Queue] = {queue["name"]: queue for queue in found}
        except (TypeError, LookupError):
            raise self._api.nonsense() from None
        self._listing.take(queues, took_s=_now() - began, now=_now())
        return queues

    async def _get(self, target: str, expected: type[T], *, timeout_s: float = 0) -> T:
        return await self._api.get(
            self._vhost.queues + target,
            expected,
            missing=f"virtual host {self._vhost.name!r}",
            timeout_s=max(timeout_s, self._vhost.timeout_s),
        )

    def _closed(self) -> SourceError:
        return SourceUnavailable(f"{self._source}: the client was closed")

    def _no_such(self, name: str) -> SourceError:
        return NoSuchQueue(f"{self._source}: there is no queue {name!r}")


def queue_state(queue: Queue) -> QueueState:
    """Return what the API says of one queue; statistics that it does not have are 0.

    Raises:
        TypeError: It says something else.
    """
    statistics = _part(queue, "message_stats")
    return QueueState(
        messages=_count(queue, "messages"),
        ready=_count(queue, "messages_ready"),
        published=_amount(_part(statistics, "publish_details"), "rate"),
        delivered=_amount(_part(statistics, "deliver_get_details"), "rate"),
    )


def _part(of: Queue, name: str) -> Queue:
    part = of.get(name) or {}
    if not isinstance(part, dict):
        raise TypeError(f"{name} is no object")
    return part


def _count(of: Queue, name: str) -> int:
    count = _amount(of, name)
    if count < 0:
        raise TypeError(f"{name} is below zero")
    return int(count)


def _amount(of: Queue, name: str) -> float:
    amount = of.get(name)
    if amount is None:
        return 0
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not -_LARGEST < amount < _LARGEST:
        raise TypeError(f"{name} is no number")
    return amount


def _now() -> float:
    return asyncio.get_running_loop().time()
