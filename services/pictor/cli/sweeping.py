"""The daily sweep of the store, with the rights of an operator: no service may list what keys there are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import structlog

from pictor.runtime.bus import Bus
from pictor.runtime.orphans import SETTLE_S, SWEEP_S, Swept, sweep_once
from pictor.runtime.outages import OUTAGE
from pictor.runtime.settings import Settings
from pictor.runtime.store.opening import open_store
from pictor.state.database import open_pool

log = structlog.get_logger()


@asynccontextmanager
async def sweeping(settings: Settings) -> AsyncIterator[None]:
    """Sweep some minutes after the start and then once a day, until the block ends."""
    task = asyncio.create_task(_keep(settings), name="orphan sweep")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _keep(settings: Settings) -> None:
    await asyncio.sleep(SETTLE_S)
    while True:
        try:
            await sweep(settings)
        except OUTAGE as error:
            log.warning("orphans not swept, tried again tomorrow", reason=repr(error))
        await asyncio.sleep(SWEEP_S)


async def sweep(settings: Settings) -> Swept | None:
    """Delete and adopt orphans once; nothing stays open afterwards."""
    async with AsyncExitStack() as stack:
        pool = await open_pool(settings.postgres_dsn.get_secret_value(), size=2)
        stack.push_async_callback(pool.close)
        store = await open_store(settings)
        stack.push_async_callback(store.close)
        bus = await Bus.connect(settings, pool, name=settings.nats_user or "sweep")
        stack.push_async_callback(bus.close)
        return await sweep_once(pool, store, bus)
