"""The audit log and the listing of frames, on a real database."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from pictor.contracts.access import Role
from pictor.state import audit, listing, observatories, sessions, tokens
from pictor.state.database import Pool, open_pool
from pictor.state.listing import FrameFilter


@pytest.fixture
async def pool(database_dsn: str) -> AsyncIterator[Pool]:
    """A migrated database of this test alone."""
    opened = await open_pool(database_dsn, size=2)
    yield opened
    await opened.close()


async def test_a_line_of_the_audit_log_is_never_changed_nor_deleted(pool: Pool) -> None:
    await audit.record(pool, "someone", "frame.grade", "a frame", detail={"status": "accepted"})
    for statement in ("UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"):
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await pool.execute(statement)
    lines, total = await audit.page(pool, None)
    assert (total, lines[0].actor, lines[0].detail) == (1, "someone", {"status": "accepted"})


async def test_the_audit_log_of_one_observatory_holds_no_line_of_another(pool: Pool) -> None:
    here, there = uuid4(), uuid4()
    await audit.record(pool, "a", "x", "1", observatory_id=here)
    await audit.record(pool, "b", "x", "2", observatory_id=there)
    lines, total = await audit.page(pool, [here])
    assert (total, [line.object for line in lines]) == (1, ["1"])


async def test_a_list_without_frames_is_empty_and_exact(pool: Pool) -> None:
    found = await listing.frames(pool, [uuid4()], FrameFilter(ra_deg=10, dec_deg=89.9, radius_deg=5))
    assert (found.rows, found.total, found.total_estimated) == ([], 0, False)


async def test_a_session_never_outlives_its_token(pool: Pool) -> None:
    made = await observatories.create(pool, uuid4(), "hill", "Hill")
    assert made is not None
    assert await observatories.create(pool, uuid4(), "hill", "Again") is None
    token = await tokens.create(
        pool, "a" * 16, b"s" * 32, name="t", role=Role.MEMBER, scopes=frozenset(), observatory_id=made.id, rig_id=None,
        created_by=None, days=1,
    )  # fmt: skip
    await sessions.create(pool, b"i" * 32, token.id, "csrf", hours=24 * 14)
    session = await sessions.get(pool, b"i" * 32)
    assert session is not None
    assert session.expires_at == token.expires_at


async def add(pool: Pool, number: int) -> None:
    async with pool.acquire() as db, db.transaction():
        await audit.record(
            db, "someone", "frame.upload", f"frame {number}", detail={"number": number, "name": "ä\u2028"}
        )


async def broken(pool: Pool) -> list[str]:
    async with pool.acquire() as db:
        return await audit.verify_chain(db)


async def test_lines_written_at_once_form_one_chain_without_a_gap(pool: Pool) -> None:
    await asyncio.gather(*(add(pool, number) for number in range(40)))
    with pytest.raises(ZeroDivisionError):
        async with pool.acquire() as db, db.transaction():
            await audit.record(db, "someone", "taken", "back")
            raise ZeroDivisionError
    await add(pool, 40)
    async with pool.acquire() as db:
        assert (await audit.chain_end(db))[0] == 41
        assert await db.fetchval("SELECT array_agg(place ORDER BY place) FROM audit") == list(range(1, 42))
        assert await audit.verify_chain(db) == []


async def test_lines_of_one_transaction_are_chained_in_their_order(pool: Pool) -> None:
    async with pool.acquire() as db, db.transaction():
        for number in range(5):
            await audit.record(db, "someone", "x", str(number))
    assert await pool.fetchval("SELECT array_agg(object ORDER BY place) FROM audit") == ["0", "1", "2", "3", "4"]
    assert await broken(pool) == []


@pytest.mark.parametrize(
    ("tampering", "told"),
    [
        (
            "UPDATE audit SET actor = 'nobody' WHERE place = 3",
            "line 3 of the audit log (place 3) is not what was written",
        ),
        ("UPDATE audit SET at = at + interval '1 us' WHERE place = 1", "(place 1) is not what was written"),
        ("DELETE FROM audit WHERE place = 2", "no line at place 2 to 2"),
        ("DELETE FROM audit WHERE place = 6", "no line at place 6 to 6"),
        ("INSERT INTO audit (actor, action, object) VALUES ('a', 'b', 'c')", "is not part of its chain"),
        (
            "UPDATE audit_end SET (place, sha256) = (SELECT a.place, a.sha256 FROM audit a WHERE a.place = 5)",
            "not part of its chain",
        ),
        ("UPDATE audit SET sha256 = sha256('x') WHERE place = 6", "does not end with the line it ended with"),
        ("UPDATE audit SET place = 7 - place + 100", "no line at place 1 to 6"),
    ],
)
async def test_whoever_owns_the_table_cannot_change_the_past_unnoticed(
    pool: Pool, tampering: str, told: str
) -> None:  # fmt: skip
    for number in range(6):
        await add(pool, number)
    assert await broken(pool) == []
    await pool.execute(f"ALTER TABLE audit DISABLE TRIGGER USER; {tampering}")
    assert any(told in sentence for sentence in await broken(pool)), await broken(pool)


async def test_the_log_is_never_emptied_by_a_slip(pool: Pool) -> None:
    await add(pool, 0)
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await pool.execute("TRUNCATE audit")


async def test_the_chain_makes_changes_wait_for_a_commit_and_no_longer(pool: Pool) -> None:
    """A slow transaction that wrote its line early holds up nobody before it commits."""
    async with pool.acquire() as slow, slow.transaction():
        await audit.record(slow, "someone", "slow", "1")
        async with asyncio.timeout(5):
            await add(pool, 2)
    assert await pool.fetchval("SELECT array_agg(action ORDER BY place) FROM audit") == ["frame.upload", "slow"]
    assert await broken(pool) == []
