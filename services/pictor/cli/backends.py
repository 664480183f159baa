"""Database roles and store keys of services that share one process: each has its own, as in processes of their own."""

from contextlib import AsyncExitStack
from dataclasses import replace

from pictor.runtime.closing import close
from pictor.runtime.hosting import CLOSE_S, close_pool
from pictor.runtime.runtime import Runtime
from pictor.runtime.store.opening import open_store
from pictor.runtime.store.protocol import FrameStore
from pictor.runtime.waiting import until_answered
from pictor.state.database import Pool, open_pool


class Backends:
    """Pools and stores by login, opened at first use and closed with a stack of contexts.

    Parameters
    ----------
    stack
        Closes what was opened.
    """

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._pools: dict[str, Pool] = {}
        self._stores: dict[str, FrameStore] = {}

    async def of(self, runtime: Runtime) -> Runtime:
        """Return the same runtime with the database role and the store key of its own settings."""
        settings = runtime.settings
        dsn = settings.postgres_dsn.get_secret_value()
        key = settings.s3_access_key.get_secret_value() if settings.s3_access_key else ""
        if dsn not in self._pools:
            pool = await until_answered("database", lambda: open_pool(dsn, size=settings.postgres_pool))
            self._pools[dsn] = pool
            self._stack.push_async_callback(close_pool, pool)
        if key not in self._stores:
            store = await until_answered("store", lambda: open_store(settings))
            self._stores[key] = store
            self._stack.push_async_callback(_close_store, store)
        pool = self._pools[dsn]
        return replace(runtime, pool=pool, store=self._stores[key], bus=replace(runtime.bus, pool=pool))


async def _close_store(store: FrameStore) -> None:
    await close("store", store.close(), within_s=CLOSE_S)
