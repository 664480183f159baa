"""Start in any order: wait for a server that appears later."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from pictor.runtime.outages import OUTAGE

log = structlog.get_logger()

T = TypeVar("T")

LONGEST_PAUSE_S = 5.0


async def until_answered(what: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """Try again, with growing pauses, for as long as the infrastructure does not answer."""
    pause = 0.1
    while True:
        try:
            return await attempt()
        except OUTAGE as error:
            log.warning("waiting for a server", server=what, reason=repr(error))
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)
