"""Frames deleted with all that hangs on them; the audit log alone remembers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from pictor.state.database import Connection
from pictor.state.frames import CONTENT_LOCK


@asynccontextmanager
async def content_held(db: Connection, raw_key: str) -> AsyncIterator[None]:
    """Keep arrivals of the same bytes waiting over several transactions."""
    await db.execute("SELECT pg_advisory_lock($1, hashtext($2))", CONTENT_LOCK, raw_key)
    try:
        yield
    finally:
        await db.execute("SELECT pg_advisory_unlock($1, hashtext($2))", CONTENT_LOCK, raw_key)


async def open_jobs(db: Connection, frame_id: UUID) -> list[UUID]:
    """Return the jobs of a frame that have not ended."""
    rows = await db.fetch("SELECT id FROM job WHERE frame_id = $1 AND state IN ('pending', 'running')", frame_id)
    return [row["id"] for row in rows]


async def delete_frame(db: Connection, frame_id: UUID) -> list[str]:
    """Delete a frame's rows; returns the keys of the objects nobody refers to any more."""
    rows = await db.fetch("DELETE FROM product WHERE frame_id = $1 RETURNING key", frame_id)
    for table in ("frame_quality", "frame_grade", "frame_solution", "frame_calibration", "job"):
        await db.execute(f"DELETE FROM {table} WHERE frame_id = $1", frame_id)  # noqa: S608 - constants
    raw: str | None = await db.fetchval("DELETE FROM frame WHERE id = $1 RETURNING raw_key", frame_id)
    return [row["key"] for row in rows] + ([raw] if raw else [])


async def was_deleted(db: Connection, observatory_id: UUID, sha256: str) -> bool:
    """Say whether the last thing that happened to a frame of these bytes was its deletion by a person."""
    action: str | None = await db.fetchval(
        """
        SELECT action FROM audit WHERE observatory_id = $1 AND detail->>'sha256' = $2
            AND action IN ('frame.upload', 'frame.adopt', 'frame.delete') ORDER BY id DESC LIMIT 1
        """,
        observatory_id, sha256,
    )  # fmt: skip
    return action == "frame.delete"


async def is_worked_on(db: Connection, key: str) -> bool:
    """Say whether a module may be about to refer to a product: its frame has an open job, or its group a stack."""
    answer: bool = await db.fetchval(
        """
        SELECT EXISTS (
            SELECT FROM job j WHERE j.state IN ('pending', 'running')
                AND (j.frame_id::text = split_part($1, '/', 3)
                    OR (j.frame_id IS NULL AND j.observatory_id::text = split_part($1, '/', 2)))
        )
        """,
        key,
    )
    return answer
