"""Jobs with numbers, put into a list without end: none may be lost, none done twice."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from redis import Redis
from redis.exceptions import RedisError

from scaler.testing.polling import eventually
from scaler.testing.servers.redis import RedisServer

_EACH_S = 0.1


class Jobs:
    """Who puts them, and who looks what became of them."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._put: set[str] = set()
        self._perhaps: set[str] = set()
        self._next = 0
        self._paused = threading.Event()
        self._over = threading.Event()
        self._idle = threading.Event()
        self.total = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Put them while this is entered."""
        thread = threading.Thread(target=self._run, name="jobs")
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Put none meanwhile."""
        self._idle.clear()
        self._paused.set()
        self._idle.wait()
        try:
            yield
        finally:
            self._paused.clear()

    def put(self, count: int) -> None:
        """Put some more at once."""
        for _ in range(count):
            self._put_one()

    def problems(self, replicas: Callable[[], Collection[str]], *, taken: bool, within_s: float) -> list[str]:
        """Wait until all is done, and say what is lost or came twice.

        Args:
            replicas: Returns the names of those that are there.
            taken: Replicas were taken away in the midst of a job: what these had is put back.
            within_s: How long that may take.
        """
        try:
            with self._client() as client:
                lost = self._orphans(client, replicas)
                for key, job in lost:
                    client.lrem(key, 1, job)
                    client.rpush("jobs", job)
                eventually(lambda: self._worked_off(client), within_s=within_s, what="all jobs are done")
                done = Counter(map(str, client.lrange("done", 0, -1)))
                client.delete("done")
        except (AssertionError, RedisError) as error:
            return [f"jobs: {error}"]
        twice = [job for job, times in done.items() if times > 1]
        missing = self._put - done.keys()
        strange = done.keys() - self._put - self._perhaps
        self.total += len(done)
        self._put.clear()
        self._perhaps -= done.keys()
        begun = [] if taken else [job for _, job in lost]
        ended = "of replicas that were ended before they had done them"
        found = ((ended, begun), ("lost", missing), ("done twice", twice), ("done again, or never put", strange))
        return [f"jobs {what}: {sorted(jobs)[:10]}" for what, jobs in found if jobs]

    @staticmethod
    def _orphans(client: Redis, replicas: Callable[[], Collection[str]]) -> list[tuple[str, str]]:
        keys = [str(key) for key in client.keys("doing:*")]
        # In this order: who has come since then has none of these keys, and who ended rightly meanwhile left none.
        names = replicas()
        lost = [key for key in keys if key.removeprefix("doing:") not in names]
        return [(key, str(job)) for key in lost for job in client.lrange(key, 0, -1)]

    @staticmethod
    def _worked_off(client: Redis) -> bool:
        return not client.exists("jobs") and not client.keys("doing:*")

    def _client(self) -> Redis:
        return self._server.client(socket_timeout=5, socket_connect_timeout=5, decode_responses=True)

    def _run(self) -> None:
        while not self._over.wait(_EACH_S):
            if self._paused.is_set():
                self._idle.set()
            else:
                self._put_one()
        self._idle.set()

    def _put_one(self) -> None:
        job, self._next = str(self._next), self._next + 1
        try:
            with self._client() as client:
                client.rpush("jobs", job)
            self._put.add(job)
        except RedisError:
            # Whether it was taken is not known.
            self._perhaps.add(job)
