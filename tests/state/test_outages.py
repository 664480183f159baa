"""A database that is away, frozen, crowded, locked or full is an outage, told in time, and nothing stays behind."""

import asyncio
import inspect
import os
import signal
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest

from pictor.runtime.embedded.config import EmbeddedConfig, ServerName
from pictor.runtime.embedded.stack import Embedded
from pictor.state import tenancy
from pictor.state.database import OUTAGES, Pool, open_pool
from tests.support.powercut import tree

CLASSES = {"08": "connection", "40": "rolled back", "53": "resources", "57": "operator", "58": "system"}
"""Classes of SQLSTATE that say nothing about the statement: the same one will succeed later."""

STATEMENT_S = 3.0
ENOUGH_S = 15.0


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Embedded]:
    """A PostgreSQL that these tests freeze and kill."""
    config = EmbeddedConfig(servers=frozenset({ServerName.POSTGRES}))
    async with Embedded(tmp_path_factory.mktemp("outages"), config) as embedded:
        yield embedded


@pytest.fixture
async def pool(server: Embedded) -> AsyncIterator[Pool]:
    """Two connections, statements of three seconds."""
    dsn = server.endpoints.postgres_dsns["pictor"]
    opened = await open_pool(dsn, size=2, statement_timeout_ms=int(STATEMENT_S * 1000))
    yield opened
    opened.terminate()


def test_every_error_that_is_nobodys_fault_is_an_outage() -> None:
    errors = [one for _, one in inspect.getmembers(asyncpg.exceptions, inspect.isclass)]
    nobodys = [one for one in errors if str(getattr(one, "sqlstate", None) or "")[:2] in CLASSES]
    assert len(nobodys) > 20
    assert [one.__name__ for one in nobodys if not issubclass(one, OUTAGES)] == []
    blamed = [asyncpg.UniqueViolationError, asyncpg.DataError, asyncpg.UndefinedTableError,
              asyncpg.InsufficientPrivilegeError, asyncpg.CheckViolationError]  # fmt: skip
    assert [one.__name__ for one in blamed if issubclass(one, OUTAGES)] == []


async def outage(pool: Pool, *, scope: bool) -> float:
    """Ask something of a database that does not answer; returns the seconds until that is told."""
    begun = time.monotonic()
    with pytest.raises(OUTAGES), tenancy.seeing([] if scope else None):
        await pool.fetchval("SELECT 1")
    return time.monotonic() - begun


async def test_a_frozen_database_is_told_in_time_and_the_pool_is_whole_afterwards(server: Embedded, pool: Pool) -> None:
    await asyncio.gather(*(pool.fetchval("SELECT 1") for _ in range(2)))
    pid = server.pids[ServerName.POSTGRES]
    assert pid is not None
    frozen = tree(pid)
    for one in frozen:
        os.kill(one, signal.SIGSTOP)
    try:
        took = await asyncio.gather(*(outage(pool, scope=number % 2 == 0) for number in range(6)))
    finally:
        for one in frozen:
            os.kill(one, signal.SIGCONT)
    print(f"told after {', '.join(f'{one:.1f}' for one in sorted(took))} s")
    assert max(took) < ENOUGH_S
    async with asyncio.timeout(ENOUGH_S):
        assert await asyncio.gather(*(pool.fetchval("SELECT 1") for _ in range(8))) == [1] * 8


async def test_a_killed_database_is_an_outage_until_it_is_back(server: Embedded, pool: Pool) -> None:
    sleeping = asyncio.gather(*(pool.fetchval("SELECT pg_sleep(2.5)") for _ in range(2)), return_exceptions=True)
    await asyncio.sleep(0.3)
    pid = server.pids[ServerName.POSTGRES]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    broken = await sleeping
    assert all(isinstance(one, OUTAGES) for one in broken), broken
    async with asyncio.timeout(60):
        while True:
            try:
                assert await asyncio.gather(*(pool.fetchval("SELECT 1") for _ in range(8))) == [1] * 8
            except OUTAGES:
                await asyncio.sleep(0.1)
            else:
                return


async def test_too_many_sessions_are_an_outage(server: Embedded) -> None:
    dsn = server.endpoints.postgres_dsns["pictor"]
    admin = await asyncpg.connect(server.endpoints.postgres_dsns["postgres"])
    await admin.execute("ALTER ROLE pictor CONNECTION LIMIT 1")
    try:
        first = await open_pool(dsn, size=1)
        with pytest.raises(OUTAGES):
            await open_pool(dsn, size=1)
        await first.close()
        second = await open_pool(dsn, size=1)
        assert await second.fetchval("SELECT 1") == 1
        await second.close()
    finally:
        await admin.execute("ALTER ROLE pictor CONNECTION LIMIT 100")
        await admin.close()


async def test_a_statement_that_takes_too_long_and_a_lock_nobody_gives_are_outages(pool: Pool) -> None:
    with pytest.raises(OUTAGES):
        await pool.fetchval("SELECT pg_sleep(30)")
    await pool.execute("CREATE TABLE held (id int)")
    async with pool.acquire() as holder, holder.transaction():
        await holder.execute("LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(OUTAGES):
            await pool.fetch("SELECT * FROM held")
    assert await pool.fetch("SELECT * FROM held") == []
    await pool.execute("DROP TABLE held")
