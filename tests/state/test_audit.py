"""The audit log and the listing of frames, on a real database."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from pictor.contracts.access import Role
from pictor.state import audit, listing, observatories, sessions, tokens
from pictor.state.database import Pool, migrate, open_pool
from pictor.state.listing import FrameFilter


@pytest.fixture
async def pool(database_dsn: str) -> AsyncIterator[Pool]:
    """A migrated database of this test alone."""
    opened = await open_pool(database_dsn, size=2)
    await migrate(opened)
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
