"""Row-level security is the second net: every way it can be had for nothing, and every way it can be missed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg
import pytest

from pictor.runtime.embedded.config import Endpoints
from pictor.state import frames, tenancy
from pictor.state.database import Pool, open_pool, with_all_rows
from pictor.state.pooling import leaves_traces
from pictor.state.rights import GATEWAY
from tests.support.servers import dsn_to, make_database

WITHOUT_TENANTS = {
    "schema_migration": "the version of the schema",
    "outbox": "messages on their way to the bus; no route reads them",
    "account": "people belong to observatories through membership",
    "session": "found by the digest of a secret alone",
    "login_code": "found by the digest of a secret alone",
    "idempotency": "answers, found by who asked and the key they chose",
    "audit_end": "one line: where the audit log's chain ends",
}
"""Tables every role with rights on them sees whole, and why that tells nobody anything about observatories."""


@dataclass(frozen=True, slots=True)
class Two:
    """Two observatories with a frame each, their owner's pool and the gateway's."""

    owner: Pool
    gateway: Pool
    dsn: str
    here: UUID
    there: UUID


@pytest.fixture(scope="module")
async def two(database_server: Endpoints) -> AsyncIterator[Two]:
    """Two observatories in one database for all tests here; what one changes it puts back."""
    owned, used = await make_database(database_server, "tenancy"), dsn_to(database_server, "tenancy", GATEWAY)
    async with AsyncExitStack() as stack:
        owner = await open_pool(owned, size=2)
        stack.push_async_callback(owner.close)
        gateway = await open_pool(used, size=1)
        stack.push_async_callback(gateway.close)
        here, there = uuid4(), uuid4()
        for observatory_id, slug in ((here, "hill"), (there, "dale")):
            await owner.execute("INSERT INTO observatory (id, slug, name) VALUES ($1, $2, $2)", observatory_id, slug)
            assert await receive(owner, observatory_id)
        yield Two(owner, gateway, used, here, there)


@asynccontextmanager
async def unforced(two: Two) -> AsyncIterator[None]:
    """Let the owner see all frames, as if FORCE had been forgotten."""
    await two.owner.execute("ALTER TABLE frame NO FORCE ROW LEVEL SECURITY")
    try:
        yield
    finally:
        await two.owner.execute("ALTER TABLE frame FORCE ROW LEVEL SECURITY")


async def receive(db: Pool, observatory_id: UUID, sha256: str = "a" * 64) -> bool:
    frame_id = uuid4()
    return await frames.create(
        db, frame_id, observatory_id, rig_id=None, sha256=sha256, size=1, name="a.fits",
        raw_key=f"raw/{observatory_id}/{frame_id}", uploaded_by=None, metadata={},
    )  # fmt: skip


async def seen(db: Pool | asyncpg.Connection) -> set[UUID]:
    return {row["observatory_id"] for row in await db.fetch("SELECT observatory_id FROM frame")}


async def test_every_table_is_secured_or_says_why_not(two: Two) -> None:
    rows = await two.owner.fetch(
        """
        SELECT relname, relrowsecurity AND relforcerowsecurity AS secured, EXISTS (
            SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'observatory_id'
        ) AS tenants FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
        """
    )
    assert [row["relname"] for row in rows if row["tenants"] and not row["secured"]] == []
    assert {row["relname"] for row in rows if not row["secured"]} <= set(WITHOUT_TENANTS)
    assert sum(row["secured"] for row in rows) >= 18


async def test_a_task_sees_its_own_rows_alone(two: Two) -> None:
    with tenancy.seeing([two.here]):
        assert await seen(two.gateway) == {two.here}
        async with with_all_rows(two.gateway) as db:
            assert await seen(db) == {two.here, two.there}
        assert await seen(two.gateway) == {two.here}
    with tenancy.seeing([two.here, two.there]):
        assert await seen(two.gateway) == {two.here, two.there}
    with tenancy.seeing_nothing():
        assert await seen(two.gateway) == set()
    assert await seen(two.gateway) == {two.here, two.there}


async def test_tasks_that_share_connections_do_not_share_sight(two: Two) -> None:
    async def look(observatory_id: UUID) -> set[UUID]:
        with tenancy.seeing([observatory_id]):
            return await seen(two.gateway)

    wanted = [two.here, two.there] * 20
    assert await asyncio.gather(*(look(one) for one in wanted)) == [{one} for one in wanted]


async def test_nothing_is_written_into_another_observatory(two: Two) -> None:
    with tenancy.seeing([two.here]):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await receive(two.gateway, two.there, "b" * 64)
        assert (
            await two.gateway.execute("UPDATE frame SET name = 'mine' WHERE observatory_id = $1", two.there)
            == "UPDATE 0"
        )
        assert await two.gateway.execute("DELETE FROM frame WHERE observatory_id = $1", two.there) == "DELETE 0"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await two.gateway.execute("UPDATE frame SET observatory_id = $1", two.there)


async def test_a_session_nobody_spoke_for_sees_no_row_of_any_secured_table(two: Two) -> None:
    tables = await two.owner.fetch("SELECT relname FROM pg_class WHERE relrowsecurity AND relkind = 'r'")
    connection = await asyncpg.connect(two.dsn)
    try:
        for row in tables:
            assert await connection.fetchval(f'SELECT count(*) FROM "{row["relname"]}"') == 0, row["relname"]  # noqa: S608
    finally:
        await connection.close()


async def test_children_are_seen_with_their_parents(two: Two) -> None:
    await two.owner.execute(
        "INSERT INTO frame_grade (frame_id, letter, status, rules) SELECT id, 'A', 'accepted', 'x' FROM frame"
    )
    with tenancy.seeing([two.there]):
        rows = await two.gateway.fetch(
            "SELECT f.observatory_id FROM frame_grade g LEFT JOIN frame f ON f.id = g.frame_id"
        )
    assert [row["observatory_id"] for row in rows] == [two.there]


async def test_force_binds_the_owner_too(two: Two) -> None:
    with tenancy.seeing([two.here]):
        assert await seen(two.owner) == {two.here}
        async with unforced(two):
            assert await seen(two.owner) == {two.here, two.there}


async def test_a_superuser_is_bound_by_nothing_so_no_service_is_one(two: Two) -> None:
    powers = "rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication"
    rows = await two.owner.fetch(f"SELECT rolname FROM pg_roles WHERE rolname LIKE 'pictor%' AND ({powers})")  # noqa: S608
    assert rows == []


async def test_a_view_shows_all_rows_unless_it_asks_as_its_reader(two: Two) -> None:
    """The owner of a default view is asked, not its reader; here the owner is made to see everything, as one would."""
    for name, options in (("loose", ""), ("tight", "WITH (security_invoker = true)")):
        await two.owner.execute(f"CREATE VIEW {name} {options} AS SELECT observatory_id FROM frame")  # noqa: S608
        await two.owner.execute(f"GRANT SELECT ON {name} TO {GATEWAY}")
    whose = "SELECT DISTINCT observatory_id FROM"
    async with unforced(two):
        with tenancy.seeing([two.here]):
            assert len(await two.gateway.fetch(f"{whose} loose")) == 2
            assert len(await two.gateway.fetch(f"{whose} tight")) == 1
    await two.owner.execute("DROP VIEW loose, tight")


async def test_the_schema_has_no_view_with_its_owners_rights(two: Two) -> None:
    rows = await two.owner.fetch(
        """
        SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')
            AND NOT coalesce(reloptions::text[] @> '{security_invoker=true}', false)
        """
    )
    assert rows == []


async def test_a_plain_set_does_not_reach_the_next_user_of_the_connection(two: Two) -> None:
    with tenancy.seeing([two.here]):
        async with two.gateway.acquire() as db:
            await db.execute("SET app.observatories = '*'")
            assert await seen(db) == {two.here, two.there}
        assert await seen(two.gateway) == {two.here}


async def test_a_session_lock_does_not_outlive_its_borrower(two: Two) -> None:
    async with two.gateway.acquire() as db:
        await db.fetchval("SELECT pg_advisory_lock(7, 7)")
    assert await two.owner.fetchval("SELECT pg_try_advisory_lock(7, 7)")


@pytest.mark.parametrize(
    ("query", "leaves"),
    [
        ("SELECT 1", False), ("UPDATE frame SET name = 'SET x'", False), ("set role postgres", True),
        ("SELECT 1; SET timezone = 'x'", True), ("SELECT set_config('a.b', 'c', false)", True),
        ("SELECT pg_advisory_lock($1)", True), ("SELECT pg_advisory_xact_lock($1)", False), ("LISTEN x", True),
        ("CREATE TEMP TABLE x ()", True),
    ],
)  # fmt: skip
def test_statements_that_change_a_session_are_known(query: str, leaves: bool) -> None:  # noqa: FBT001
    assert leaves_traces(query) is leaves


async def test_after_a_local_setting_ends_it_is_empty_and_means_nothing(two: Two) -> None:
    connection = await asyncpg.connect(two.dsn)
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL app.observatories = '{two.here}'")
            assert await seen(connection) == {two.here}
        assert await connection.fetchval("SELECT current_setting('app.observatories', true)") == ""
        assert await seen(connection) == set()
    finally:
        await connection.close()


async def test_the_same_bytes_at_another_observatory_are_no_oracle(two: Two) -> None:
    with tenancy.seeing([two.here]):
        assert await receive(two.gateway, two.here, "c" * 64)
    with tenancy.seeing([two.there]):
        assert await receive(two.gateway, two.there, "c" * 64), "a foreign frame answered for ours"


async def test_unique_indexes_of_tenants_begin_with_what_is_their_own(two: Two) -> None:
    """A unique index over all tenants would tell by its error what another has: only ids made by us may have one."""
    rows = await two.owner.fetch(
        """
        SELECT c.relname AS name, array_agg(a.attname::text ORDER BY k.place) AS columns
        FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
        CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
        WHERE i.indisunique AND c.relrowsecurity GROUP BY c.relname, i.indexrelid
        """
    )
    made_by_us = {"id", "frame_id", "master_id", "job_id", "account_id", "place", "parent", "outbox_id"}
    global_names = {("observatory", "slug"), ("product", "key"), ("parked", "subject")}
    odd = [
        (row["name"], row["columns"]) for row in rows
        if not {"observatory_id", *made_by_us} & set(row["columns"])
        and (row["name"], row["columns"][0]) not in global_names
    ]  # fmt: skip
    assert odd == []


async def test_a_role_of_ours_may_choose_any_observatory_itself(two: Two) -> None:
    """Why this is the second net and not the first: whoever runs statements as the gateway sets what it likes."""
    connection = await asyncpg.connect(two.dsn)
    try:
        await connection.execute("SET app.observatories = '*'")
        assert await seen(connection) == {two.here, two.there}
    finally:
        await connection.close()


async def test_a_borrower_waits_four_seconds_at_most_and_nothing_leaks(two: Two) -> None:
    async with two.gateway.acquire():
        with pytest.raises(TimeoutError):
            await two.gateway.acquire(timeout=0.1)
        waiting = asyncio.create_task(two.gateway.fetchval("SELECT 1"))
        await asyncio.sleep(0.05)
        waiting.cancel()
    assert await two.gateway.fetchval("SELECT 1") == 1


async def test_a_cancelled_statement_gives_its_connection_back(two: Two) -> None:
    for _ in range(5):
        sleeping = asyncio.create_task(two.gateway.fetchval("SELECT pg_sleep(30)"))
        await asyncio.sleep(0.05)
        sleeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeping
    with tenancy.seeing([two.here]):
        assert await seen(two.gateway) == {two.here}
    assert two.gateway.get_size() == 1
