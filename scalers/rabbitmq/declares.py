"""A client that many amqp triggers share: it counts messages by passive declares, many at a time on one channel.

A passive declare changes nothing; but one of a queue that does not exist ends its channel, with all declares behind it.
So only queues that have been found are asked for together. Any other is asked for alone, on a channel of its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Self, TypeAlias, cast

import aiormq
from aiormq import spec
from aiormq.abc import ChannelFrame

from scaler.backoff import Backoff
from scaler.clients.batcher import Batcher
from scaler.ports.connections import Connections
from scaler.ports.errors import SourceError, SourceUnavailable
from scalers.rabbitmq.errors import FAILURES, refusal, translate
from scalers.rabbitmq.link import ANSWER_TIMEOUT_S, Broker, Link

# So many declares travel together. Their answers are a matter of milliseconds.
_PIPELINED = 500
# So many channels there are at once for queues that may not exist, besides the one for those that do.
_DOUBTFUL_CHANNELS = 4
# A queue that does not exist costs a channel, so the more there are, the less often each is asked for again.
_REMEMBERED_S = 0.5
_DOUBTFUL_PER_S = 200
# A queue that hangs is asked for less and less often, down to this.
_HANGING_LONGEST_S = 60.0

_Answers: TypeAlias = dict[str, int | SourceError]


class DeclareClient:
    """Counts the messages of queues in one virtual host; while the broker is lost, every question fails at once."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._link = Link(broker)
        self._batcher: Batcher[str, int] = Batcher(broker, exchange=self._exchange, revive=self._revive)
        self._channel: aiormq.Channel | None = None
        self._found: set[str] = set()
        self._refused: dict[str, tuple[float, SourceError]] = {}
        self._hanging: dict[str, Backoff] = {}

    @classmethod
    def shared(cls, broker: Broker, connections: Connections) -> AbstractAsyncContextManager[Self]:
        """Borrow the client of this virtual host and user."""
        return connections.shared("rabbitmq", broker, lambda: cls.connect(broker))

    @classmethod
    @asynccontextmanager
    async def connect(cls, broker: Broker) -> AsyncIterator[Self]:
        """Make a client; it connects at first use."""
        client = cls(broker)
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(client._serve(), name=f"{broker}: declares")
            try:
                yield client
            finally:
                serving.cancel()

    async def ready_messages(self, queue: str) -> int:
        """Return how many messages wait for a consumer.

        Raises:
            SourceUnavailable: The broker is lost, or the node that holds the queue.
            NoSuchQueue: There is no such queue.
            SourceRejected: The broker refuses us, or the queue is another connection's own.
        """
        return await self._batcher.ask(queue)

    async def _serve(self) -> None:
        try:
            await self._batcher.serve()
        finally:
            await self._link.close()

    async def _revive(self) -> None:
        try:
            await self._link.connection()
        except FAILURES as error:
            raise translate(error, source=self._broker) from error

    async def _exchange(self, queues: Sequence[str]) -> list[int | SourceError]:
        answers: _Answers = {}
        try:
            await self._ask(queues, answers)
        except FAILURES as error:
            await self._link.close(farewell_s=0)
            raise translate(error, source=self._broker) from error
        if len(answers) < len(queues):
            # The library cancels what waits on a connection that it gives up.
            await self._link.close(farewell_s=0)
            raise SourceUnavailable(f"{self._broker}: the connection was lost")
        return [answers[queue] for queue in queues]

    async def _ask(self, queues: Sequence[str], answers: _Answers) -> None:
        connection = await self._link.connection()
        found = [queue for queue in queues if queue in self._found]
        doubtful = deque(self._worth_asking([queue for queue in queues if queue not in self._found], answers))
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(_DOUBTFUL_CHANNELS, len(doubtful))):
                    tasks.create_task(self._ask_doubtful(connection, doubtful, answers))
                await self._ask_found(connection, found, answers)
        except ExceptionGroup as failures:
            # They all tell of the same lost connection.
            raise failures.exceptions[0] from None

    async def _ask_found(self, connection: aiormq.Connection, queues: list[str], answers: _Answers) -> None:
        """Ask for queues that were there last time, many with one write."""
        for first in range(0, len(queues), _PIPELINED):
            together = queues[first : first + _PIPELINED]
            counts: list[int] = []
            if self._channel is None or self._channel.is_closed or self._channel.connection is not connection:
                self._channel = await _open_channel(connection)
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    await self._channel.create_task(_declare(self._channel, together, counts))
            except TimeoutError:
                self._let_rest(together[len(counts)])
                raise
            except aiormq.AMQPChannelError:
                # The first that has no answer ended the channel; which of those behind it are there is not known.
                self._found.difference_update(together[len(counts) :])
                await self._ask_doubtful(connection, deque(together[len(counts) :]), answers)
            answers.update(zip(together, counts, strict=False))

    async def _ask_doubtful(self, connection: aiormq.Connection, queues: deque[str], answers: _Answers) -> None:
        """Ask for queues that may not be there, one after the other, until none is left."""
        channel = None
        while queues:
            queue = queues.popleft()
            if channel is None or channel.is_closed:
                channel = await _open_channel(connection)
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    declared = await channel.rpc(_PassiveDeclare(queue))
            except TimeoutError:
                self._let_rest(queue)
                raise
            except aiormq.AMQPChannelError as error:
                answers[queue] = refused = refusal(error, queue, source=self._broker)
                self._refused[queue] = (_now() + _REMEMBERED_S + len(self._refused) / _DOUBTFUL_PER_S, refused)
            else:
                answers[queue] = declared.message_count or 0
                self._found.add(queue)
            self._hanging.pop(queue, None)
        if channel is not None and not channel.is_closed:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await channel.close()

    def _let_rest(self, queue: str) -> None:
        """Do not ask for it for a while: a queue that hangs keeps all behind it waiting, and costs the connection."""
        self._found.discard(queue)
        pause = self._hanging.setdefault(queue, Backoff(first_s=1.0, longest_s=_HANGING_LONGEST_S))
        hangs = SourceUnavailable(f"{self._broker}: no answer in time about the queue {queue!r}")
        self._refused[queue] = _now() + pause.next_delay(), hangs

    def _worth_asking(self, queues: Sequence[str], answers: _Answers) -> Iterator[str]:
        """Answer for queues that have just been refused, and yield the others."""
        now = _now()
        self._refused = {queue: it for queue, it in self._refused.items() if it[0] > now} if queues else self._refused
        for queue in queues:
            if queue in self._refused:
                answers[queue] = self._refused[queue][1]
            else:
                yield queue


class _PassiveDeclare(spec.Queue.Declare):
    """A declare that only looks."""

    def __init__(self, queue: str) -> None:
        super().__init__(queue=queue, passive=True)

    def validate(self) -> None:
        """Take every name: the library refuses some that brokers take, such as those with umlauts."""


async def _open_channel(connection: aiormq.Connection) -> aiormq.Channel:
    # Unbounded buffers: the library must not stop reading while answers to many declares come.
    async with asyncio.timeout(ANSWER_TIMEOUT_S):
        channel = await connection.channel(publisher_confirms=False, frame_buffer_size=0)
    return cast("aiormq.Channel", channel)


async def _declare(channel: aiormq.Channel, queues: Sequence[str], counts: list[int]) -> None:
    """Send declares with one write and take their answers, which come in order, into `counts`."""
    async with channel.lock:
        await channel.write_queue.put(
            ChannelFrame.marshall(channel.number, [_PassiveDeclare(queue) for queue in queues])
        )
        answers = channel.rpc_frames
        try:
            while len(counts) < len(queues):
                counts.append((await answers.get()).message_count)
        except asyncio.CancelledError:
            # Answers that came before the channel's end.
            counts.extend(answers.get_nowait().message_count for _ in range(answers.qsize()))
            raise


def _now() -> float:
    return asyncio.get_running_loop().time()
