"""Keeps a task of the service going whatever breaks it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from scaler.backoff import Backoff
from scaler.cancellation import being_cancelled

log = structlog.get_logger(__name__)


async def supervise(work: Callable[[], Awaitable[None]], event: str, **about: object) -> None:
    """Run `work` to its end. What breaks it is a bug: logged as `event` with its traceback, and begun again.

    Only a cancellation that someone asked for ends it early: a CancelledError that escapes from a library must not
    end a task unseen, nor may an error on the way out swallow a cancellation.
    """
    backoff = Backoff(first_s=1, longest_s=60)
    while True:
        try:
            return await work()
        except asyncio.CancelledError:
            if being_cancelled():
                raise
            log.exception(event, **about)
        except Exception as error:
            log.exception(event, **about)
            if being_cancelled():
                raise asyncio.CancelledError from error
        await asyncio.sleep(backoff.next_delay())
