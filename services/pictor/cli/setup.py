"""The setup job: database schema, streams, consumers and the bucket."""

import asyncio

import nats

from pictor.runtime import logs
from pictor.runtime.bus import connection_options
from pictor.runtime.provision import provision
from pictor.runtime.settings import Settings
from pictor.runtime.store.opening import open_store
from pictor.runtime.waiting import until_answered
from pictor.state.database import migrate, open_pool


def main(*, print_token: bool) -> int:
    """Set everything up, waiting for the servers."""
    settings = Settings()
    logs.configure(style=settings.log_format, level=settings.log_level)
    asyncio.run(set_up(settings))
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
        await provision(client.jetstream(), settings)
    finally:
        await client.close()
