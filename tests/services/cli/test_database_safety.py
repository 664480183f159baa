"""Setup refuses a database that a power cut robs, and says what to do; the doctor tells of every weakness."""

import os
import subprocess
import sys
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from pictor.cli.setup import UnsafeDatabaseError, require_safe_database
from pictor.runtime.embedded.config import Endpoints
from pictor.runtime.settings import Settings
from pictor.state.database import open_pool


def careless(dsn: str) -> str:
    """Return a connection string whose sessions acknowledge before they write."""
    return f"{dsn}?options={quote('-c synchronous_commit=off')}"


async def test_our_own_database_is_accepted(database_dsn: str) -> None:
    pool = await open_pool(database_dsn, size=1)
    await require_safe_database(pool, Settings())
    await pool.close()


async def test_a_database_that_acknowledges_too_early_is_refused(database_dsn: str) -> None:
    pool = await open_pool(careless(database_dsn), size=1)
    with pytest.raises(UnsafeDatabaseError, match="set synchronous_commit = on"):
        await require_safe_database(pool, Settings(postgres_dsn=SecretStr(database_dsn)))
    await require_safe_database(pool, Settings(postgres_require_sync=False))
    await pool.close()


def doctor(dsn: str) -> str:
    environment = {**os.environ, "PICTOR_POSTGRES_DSN": dsn}
    command = [sys.executable, "-m", "pictor.cli", "doctor"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120).stdout


async def test_the_doctor_tells_of_each_weakness(database_server: Endpoints, database_dsn: str) -> None:
    assert "ok      database: it keeps what it acknowledges" in doctor(database_dsn)
    assert "to mend it: the database has synchronous_commit = off" in doctor(careless(database_dsn))
    assert "rolsuper" in doctor(database_server.postgres_dsns["postgres"])
    assert "it does not answer" in doctor("postgresql://nobody@127.0.0.1:9/none")
