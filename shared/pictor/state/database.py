"""Connections to Postgres and numbered forward-only migrations."""

import hashlib
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any, TypeAlias

import asyncpg

from pictor.state import rights, tenancy
from pictor.state.pooling import make_pool

Connection: TypeAlias = asyncpg.Connection
"""One connection; asyncpg ships no types, so state functions are where types are restored."""

Pool: TypeAlias = asyncpg.Pool

MIGRATION_LOCK = 7_420_113
"""Key of the advisory lock that lets one process migrate at a time."""

MIGRATION_S = 3600.0
"""Time one migration may take: an index over millions of frames takes longer than any statement of a service may."""

STATEMENT_MS = 9_000
"""Waiting for a connection, a statement and its cancellation make 15 s at most: then a frozen server is told of."""

OUTAGES = (
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InternalClientError,
    asyncpg.InterfaceError,
    ConnectionError,
    TimeoutError,
    OSError,
)
"""Failures of the database itself: try again later, nobody's fault."""

WRONG_VALUES = (asyncpg.exceptions._base.DataError, asyncpg.DataError)  # noqa: SLF001 - the client's has no other name
"""Values the database cannot take, as NaN in JSON; the client's own is an InterfaceError, yet no outage."""


VANISHED = (asyncpg.ForeignKeyViolationError,)
"""A row refers to another that was removed in the meantime."""


def storable(text: str) -> str:
    """Return a text without what Postgres cannot keep: NUL and half surrogates."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


class MigrationError(Exception):
    """The schema in the database and the migrations in this version do not fit."""


async def _prepare(connection: Connection) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, encoder=_dump, decoder=json.loads, schema="pg_catalog")


def _dump(value: Any) -> str:  # noqa: ANN401 - a JSON value
    return json.dumps(value, default=str, allow_nan=False)


async def open_pool(dsn: str, *, size: int = 8, statement_timeout_ms: int = STATEMENT_MS) -> Pool:
    """Open a pool whose sessions speak JSON, never wait for ever, and see the rows of their task (``tenancy``).

    Parameters
    ----------
    dsn
        Where the database is and who we are there.
    size
        Connections at most.
    statement_timeout_ms
        Time one statement may take.
    """
    pool = make_pool(
        dsn,
        size=size,
        init=_prepare,
        timeout=5,
        command_timeout=statement_timeout_ms / 1000 + 1,
        server_settings={
            "statement_timeout": str(statement_timeout_ms),
            "lock_timeout": "5000",
            "idle_in_transaction_session_timeout": "30000",
            "timezone": "UTC",
            "application_name": "pictor",
            tenancy.SETTING: tenancy.NOTHING,
        },
    )
    return await pool


@asynccontextmanager
async def with_all_rows(pool: Pool) -> AsyncIterator[Connection]:
    """Lend a connection that sees every observatory, within a request too: for the question who asks."""
    with tenancy.seeing_everything():
        async with pool.acquire() as db:
            yield db


def migrations() -> list[tuple[int, str, str]]:
    """Return (number, name, SQL) of every migration of this version, in order."""
    folder = resources.files("pictor.state") / "migrations"
    found = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(int(name.split("_")[0]), name, (folder / name).read_text(encoding="utf-8")) for name in found]


async def migrate(pool: Pool) -> list[str]:
    """Bring schema and rights up to this version under an advisory lock; return the names applied.

    Raises
    ------
    MigrationError
        If an applied migration was changed afterwards, or the database is newer than this version.
    """
    async with pool.acquire() as connection:
        await connection.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        try:
            applied = await _apply(connection, migrations())
            async with connection.transaction():
                await rights.grant_all(connection)
            return applied
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", MIGRATION_LOCK)


async def _apply(connection: Connection, wanted: Iterable[tuple[int, str, str]]) -> list[str]:
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migration "
        "(number integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL, applied_at timestamptz DEFAULT now())"
    )
    done = {row["number"]: row for row in await connection.fetch("SELECT number, name, sha256 FROM schema_migration")}
    applied = []
    wanted = list(wanted)
    if done and max(done) > max(number for number, _, _ in wanted):
        raise MigrationError(f"the database has migration {max(done)}, which this version of Pictor does not know")
    for number, name, sql in wanted:
        digest = hashlib.sha256(sql.encode()).hexdigest()
        if number in done:
            if done[number]["sha256"] != digest:
                raise MigrationError(f"migration {name} was changed after it had been applied")
            continue
        async with connection.transaction():
            await connection.execute("SET LOCAL statement_timeout = 0")
            await connection.execute(sql, timeout=MIGRATION_S)
            await connection.execute(
                "INSERT INTO schema_migration (number, name, sha256) VALUES ($1, $2, $3)", number, name, digest
            )
        applied.append(name)
    return applied
