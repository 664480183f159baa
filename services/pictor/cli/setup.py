"""The setup job: database schema, streams and consumers; it waits for the bucket."""

import asyncio
import sys

import httpx
import nats
import structlog

from pictor.runtime import logs
from pictor.runtime.bus import connection_options
from pictor.runtime.errors import TransientError
from pictor.runtime.provision import provision
from pictor.runtime.settings import Settings
from pictor.runtime.store.opening import open_store
from pictor.runtime.waiting import until_answered
from pictor.state.database import migrate, open_pool

log = structlog.get_logger()


def main(*, print_token: bool) -> int:
    """Set everything up, waiting for the servers."""
    settings = Settings()
    logs.configure(style=settings.log_format, level=settings.log_level)
    try:
        asyncio.run(set_up(settings))
    except UnsafeBusError as error:
        print(f"pictor: {error}", file=sys.stderr)
        return 1
    if print_token:
        print(asyncio.run(_first_token(settings)) or "there is an administrator already; no token was made")
    return 0


async def _first_token(settings: Settings) -> str | None:
    from pictor.gateway.bootstrap import bootstrap

    pool = await open_pool(settings.postgres_dsn.get_secret_value(), size=2)
    try:
        return await bootstrap(pool, present=True)
    finally:
        await pool.close()


class UnsafeBusError(Exception):
    """The broker acknowledges messages before they are on disk."""


async def require_sync(settings: Settings) -> None:
    """Refuse a broker that would lose acknowledged messages in a power cut, by its own report.

    Raises
    ------
    UnsafeBusError
        If the server says that it does not sync every write.
    TransientError
        If its monitoring page does not answer.
    """
    if not settings.nats_monitor_url:
        log.warning("PICTOR_NATS_MONITOR_URL is not set: whether the broker syncs every write was not checked")
        return
    try:
        async with httpx.AsyncClient(timeout=5) as client:
            found = (await client.get(f"{settings.nats_monitor_url}/varz")).raise_for_status().json()
    except httpx.HTTPError as error:
        raise TransientError(f"the monitoring page of the bus does not answer: {error}") from error
    if settings.nats_require_sync and not found["jetstream"]["config"].get("sync_always"):
        raise UnsafeBusError(
            "the NATS server does not sync every write; set sync_interval: always in its configuration"
        )


async def set_up(settings: Settings) -> None:
    """Migrate and provision; running it again changes nothing."""
    pool = await until_answered("database", lambda: open_pool(settings.postgres_dsn.get_secret_value(), size=2))
    try:
        await migrate(pool)
    finally:
        await pool.close()
    store = await until_answered("store", lambda: open_store(settings))
    await store.close()
    client = await until_answered("bus", lambda: nats.connect(**connection_options(settings, "setup")))
    try:
        await until_answered("bus monitor", lambda: require_sync(settings))
        await provision(client.jetstream(), settings)
    finally:
        await client.close()
