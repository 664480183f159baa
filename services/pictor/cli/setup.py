"""The setup job: database schema, streams and consumers; it waits for the bucket."""

import asyncio
import sys

import nats
import structlog
from nats.js import JetStreamContext

from pictor.runtime import logs
from pictor.runtime.broker import UnsafeBusError, require_safe
from pictor.runtime.bus import connection_options
from pictor.runtime.provision import GONE, differences, provision
from pictor.runtime.settings import Settings
from pictor.runtime.store.opening import open_store
from pictor.runtime.waiting import until_answered
from pictor.state.database import Pool, migrate, open_pool
from pictor.state.safety import overpowered, weaknesses

log = structlog.get_logger()


def main(*, print_token: bool) -> int:
    """Set everything up, waiting for the servers."""
    settings = Settings()
    logs.configure(style=settings.log_format, level=settings.log_level)
    try:
        asyncio.run(set_up(settings))
    except (UnsafeBusError, UnsafeDatabaseError) as error:
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


class UnsafeDatabaseError(Exception):
    """The database acknowledges what a power cut would take back."""


async def require_safe_database(pool: Pool, settings: Settings) -> None:
    """Refuse a database that loses what it acknowledged, by its own report; tell of lesser weaknesses.

    Raises
    ------
    UnsafeDatabaseError
        If it does, unless the settings allow it.
    """
    async with pool.acquire() as db:
        found = await weaknesses(db)
        powers = await overpowered(db)
    grave = [one.sentence for one in found if one.grave]
    if grave and settings.postgres_require_sync:
        raise UnsafeDatabaseError("; ".join(grave))
    for sentence in [*(one.sentence for one in found), *([powers] if powers else [])]:
        log.warning("the database is weaker than it should be", what=sentence)


async def _provision(js: JetStreamContext, settings: Settings) -> None:
    """Provision the bus; tell what had been changed there, and what cannot be put right."""
    changed = [sentence for sentence in await differences(js, settings) if GONE not in sentence]
    await provision(js, settings)
    left = await differences(js, settings)
    for sentence in changed:
        log.warning("bus cannot be put right" if sentence in left else "bus put right", what=sentence)


async def set_up(settings: Settings) -> None:
    """Migrate and provision; running it again changes nothing."""
    pool = await until_answered("database", lambda: open_pool(settings.postgres_dsn.get_secret_value(), size=2))
    try:
        await require_safe_database(pool, settings)
        await migrate(pool)
    finally:
        await pool.close()
    store = await until_answered("store", lambda: open_store(settings))
    await store.close()
    client = await until_answered("bus", lambda: nats.connect(**connection_options(settings, "setup")))
    try:
        await until_answered("bus monitor", lambda: require_safe(settings))
        await _provision(client.jetstream(), settings)
    finally:
        await client.close()
