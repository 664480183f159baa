"""The slot gate: high before live before bulk, and bulk never starves."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from pictor.contracts.modules import Lane, Module

BULK_SHARE = 10
"""Every so many grants the longest-waiting order of the lowest lane goes first."""

_ORDER = (Lane.HIGH, Lane.LIVE, Lane.BULK)

PATIENT = frozenset({Module.ASTROMETRY})
"""Modules whose worst case is a hundred times their usual one: they never hold every slot of a process."""


class Gate:
    """Hands a fixed number of slots to waiting orders by lane."""

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._slots = slots
        self._narrow: dict[Module, Gate] = {}
        self._grants = 0
        self._waiting: dict[Lane, deque[asyncio.Future[None]]] = {lane: deque() for lane in Lane}

    @asynccontextmanager
    async def slot(self, lane: Lane, module: Module | None = None) -> AsyncIterator[None]:
        """Hold one slot; waits its turn, and a patient module first for its own narrower gate."""
        async with AsyncExitStack() as stack:
            if module in PATIENT:
                narrow = self._narrow.setdefault(module, Gate(max(1, self._slots - 2)))
                await stack.enter_async_context(narrow.slot(lane))
            await self._enter(lane)
            stack.callback(self._leave)
            yield

    async def _enter(self, lane: Lane) -> None:
        if self._free > 0:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[lane].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            else:
                self._waiting[lane].remove(turn)
            raise

    def _leave(self) -> None:
        self._grants += 1
        lanes = reversed(_ORDER) if self._grants % BULK_SHARE == 0 else _ORDER
        for lane in lanes:
            if self._waiting[lane]:
                self._waiting[lane].popleft().set_result(None)
                return
        self._free += 1
