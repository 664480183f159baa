"""Whether this process can do its work at this moment."""

import asyncio

from pictor.contracts.modules import MODULES_OF, Lane
from pictor.contracts.subjects import STREAM_WORK
from pictor.runtime.bus import BUS_OUTAGES
from pictor.runtime.outages import OUTAGE
from pictor.runtime.runtime import Runtime

ANSWER_S = 3.0


async def readiness(runtime: Runtime) -> dict[str, bool]:
    """Ask database, store and bus, and for a worker its own consumers."""
    names = ("database", "store", "bus")
    answers = await asyncio.gather(_database(runtime), _store(runtime), _bus(runtime))
    return dict(zip(names, answers, strict=True))


async def _database(runtime: Runtime) -> bool:
    try:
        async with asyncio.timeout(ANSWER_S):
            return bool(await runtime.pool.fetchval("SELECT true"))
    except OUTAGE:
        return False


async def _store(runtime: Runtime) -> bool:
    try:
        async with asyncio.timeout(ANSWER_S):
            await runtime.store.health()
    except OUTAGE:
        return False
    return True


async def _bus(runtime: Runtime) -> bool:
    if not runtime.bus.connected or runtime.lost or any(pull.deaf for pull in runtime.pulls):
        return False
    try:
        async with asyncio.timeout(ANSWER_S):
            for module in MODULES_OF.get(runtime.service, ()):
                for lane in Lane:
                    await runtime.bus.js.consumer_info(STREAM_WORK, f"{module}-{lane}")
    except BUS_OUTAGES:
        return False
    return True
