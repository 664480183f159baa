"""Every right of every role, as the catalogue has it, beside what was agreed; and what no role may do."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest

from pictor.contracts.modules import Service
from pictor.state import safety
from pictor.state.database import migrate, open_pool
from pictor.state.rights import CONNECTIONS, GATEWAY, LIMITS, READONLY, ROLE_OF, ROLES

AGREED = Path(__file__).parents[1] / "data" / "postgres_rights.json"

LETTERS = {"SELECT": "S", "INSERT": "I", "UPDATE": "U", "DELETE": "D"}


@pytest.fixture
async def owner(database_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A migrated database, as its owner."""
    pool = await open_pool(database_dsn, size=1)
    async with pool.acquire() as db:
        yield db
    await pool.close()


async def rights_now(db: asyncpg.Connection) -> dict[str, dict[str, str]]:
    """Ask the catalogue: letters by table and role, PUBLIC included; other words stand for themselves."""
    rows = await db.fetch(
        """
        SELECT CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee) END AS role, c.relname AS name,
            array_agg(g.privilege_type::text) AS words
        FROM pg_class c CROSS JOIN aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) g
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
            AND g.grantee <> c.relowner
        GROUP BY 1, 2 ORDER BY 1, 2
        """
    )
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        letters = "".join(letter for word, letter in LETTERS.items() if word in row["words"])
        others = sorted(set(row["words"]) - set(LETTERS))
        found.setdefault(row["role"], {})[row["name"]] = ",".join([letters, *others]).strip(",")
    return found


async def test_each_role_has_the_rights_agreed_and_no_other(owner: asyncpg.Connection) -> None:
    assert await rights_now(owner) == json.loads(AGREED.read_text(encoding="utf-8"))


async def test_rights_given_by_hand_are_taken_back_by_the_next_setup(
    owner: asyncpg.Connection, database_dsn: str
) -> None:
    await owner.execute(f"GRANT ALL ON audit TO {GATEWAY}; GRANT SELECT ON token TO PUBLIC")
    pool = await open_pool(database_dsn, size=1)
    assert await migrate(pool) == []
    await pool.close()
    assert await rights_now(owner) == json.loads(AGREED.read_text(encoding="utf-8"))


async def test_no_role_of_a_service_is_more_than_a_login(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(
        """
        SELECT r.rolname, rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication AS powers,
            rolconnlimit, rolconfig, EXISTS (SELECT FROM pg_auth_members WHERE member = r.oid) AS member,
            EXISTS (SELECT FROM pg_class WHERE relowner = r.oid) AS owns
        FROM pg_roles r WHERE rolname = ANY($1)
        """,
        list(ROLES),
    )
    assert len(rows) == len(ROLES)
    for row in rows:
        assert (row["powers"], row["member"], row["owns"]) == (False, False, False), row["rolname"]
        assert row["rolconnlimit"] == ROLES[row["rolname"]].connections
        assert set(row["rolconfig"]) == {f"{name}={value}" for name, value in LIMITS.items()}


async def test_the_limits_of_all_roles_leave_room_for_an_administrator(owner: asyncpg.Connection) -> None:
    reserved = int(await owner.fetchval("SHOW superuser_reserved_connections"))
    assert sum(CONNECTIONS.values()) + reserved <= int(await owner.fetchval("SHOW max_connections"))


def test_every_service_has_a_role() -> None:
    assert set(ROLE_OF) == set(Service)
    assert set(ROLE_OF.values()) | {READONLY} == set(ROLES)


FORBIDDEN = [
    "CREATE TABLE mine (id int)", "DROP TABLE observatory", "ALTER TABLE observatory ADD COLUMN mine int",
    "TRUNCATE job CASCADE", "CREATE SCHEMA mine", "CREATE ROLE mine", "ALTER TABLE audit DISABLE TRIGGER ALL",
    "SET session_replication_role = replica", "COPY observatory TO PROGRAM 'cat'", "UPDATE audit SET actor = 'x'",
    "DELETE FROM audit", "TRUNCATE audit", "UPDATE audit_end SET place = 0", "DROP POLICY own_rows ON frame",
    "ALTER TABLE frame DISABLE ROW LEVEL SECURITY", "SELECT secure_tenants()", "SELECT audit_link()",
    "SET ROLE pictor", "UPDATE schema_migration SET sha256 = ''",
    "CREATE OR REPLACE FUNCTION app_sees_all() RETURNS boolean LANGUAGE sql AS 'SELECT true'",
]  # fmt: skip


async def test_a_service_changes_nothing_but_its_rows(owner: asyncpg.Connection, dsn_of: Callable[[str], str]) -> None:
    assert owner is not None
    for role in sorted(ROLES):
        gateways = ["SELECT * FROM session", "SELECT * FROM login_code", "DELETE FROM master", "DELETE FROM frame"]
        secrets = [] if role == GATEWAY else gateways
        connection = await asyncpg.connect(dsn_of(role))
        try:
            for statement in [*FORBIDDEN, *secrets]:
                with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.FeatureNotSupportedError)):
                    await connection.execute(statement)
        finally:
            await connection.close()


async def test_our_servers_keep_what_they_acknowledge(owner: asyncpg.Connection, dsn_of: Callable[[str], str]) -> None:
    assert await safety.weaknesses(owner) == []
    assert await safety.overpowered(owner) is None
    connection = await asyncpg.connect(dsn_of("postgres"))
    try:
        told = await safety.overpowered(connection)
        assert told is not None
        assert "rolsuper" in told
        await connection.execute("SET synchronous_commit = off")
        weak = await safety.weaknesses(connection)
        assert [(one.grave, "synchronous_commit = off" in one.sentence) for one in weak] == [(True, True)]
    finally:
        await connection.close()
