"""Requests a busy store refused, asked again after pauses that grow and differ."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pictor.runtime.store.errors import StoreBusy

PAUSES_S = (0.05, 0.2, 0.5)
"""Every third request refused makes one in 81 fail four times; whoever asked hears of an outage then."""

BUDGET_S = 10.0
"""A refusal that took so long is not repeated: the store has tried itself."""

Answer = TypeVar("Answer")


async def patiently(ask: Callable[[], Awaitable[Answer]], may_repeat: Callable[[], bool] = lambda: True) -> Answer:
    """Ask until the store is not too busy, four times at most.

    Parameters
    ----------
    ask
        Sends the request.
    may_repeat
        Whether it can be sent once more: not when a body that comes only once is partly gone.

    Raises
    ------
    StoreBusy
        If it still refuses.
    """
    end = asyncio.get_running_loop().time() + BUDGET_S
    for pause in PAUSES_S:
        try:
            return await ask()
        except StoreBusy:
            if not may_repeat() or asyncio.get_running_loop().time() > end:
                raise
            await pause_for(pause)
    return await ask()


async def pause_for(seconds: float) -> None:
    """Sleep about so long; many who wait do not come back at once."""
    await asyncio.sleep(seconds * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
