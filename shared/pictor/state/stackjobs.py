"""Stacking jobs as people see them: what was asked for, how it stands, what came of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pictor.contracts.frames import FrameType
from pictor.contracts.jobs import JobState
from pictor.contracts.masters import MasterState
from pictor.contracts.work import WorkOrder
from pictor.state.database import Connection


@dataclass(frozen=True, slots=True)
class StackJob:
    """One stack, or the judgement of one uploaded master."""

    id: UUID
    observatory_id: UUID
    state: JobState
    reasons: tuple[str, ...]
    owner: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    group_key: str | None
    frame_type: FrameType | None
    frames: int
    force: bool
    upload_id: UUID | None
    master_id: UUID | None
    master_state: MasterState | None


_SELECT = """
    SELECT j.id, j.observatory_id, j.state, j.reasons, j.owner, j.created_at, j.started_at, j.finished_at,
        coalesce(r.group_key, m.group_key) AS group_key, coalesce(r.frame_type, m.frame_type) AS frame_type,
        coalesce(cardinality(r.frame_ids), 0) AS frames, coalesce(r.force, false) AS force, j.frame_id AS upload_id,
        m.id AS master_id, m.state AS master_state
    FROM job j LEFT JOIN stack_request r ON r.job_id = j.id LEFT JOIN LATERAL (
        SELECT id, state, group_key, frame_type FROM master WHERE observatory_id = j.observatory_id AND (
            job_id = j.id OR (j.frame_id IS NOT NULL AND statistics->'upload'->>'job_id' = j.id::text)
        ) ORDER BY created_at DESC LIMIT 1
    ) m ON true
    WHERE j.kind = 'stack'
"""


def _job(row: Any) -> StackJob:  # noqa: ANN401 - an asyncpg record
    values = {name: row[name] for name in StackJob.__dataclass_fields__}
    values["state"] = JobState(row["state"])
    values["reasons"] = tuple(row["reasons"])
    values["frame_type"] = FrameType(row["frame_type"]) if row["frame_type"] else None
    values["master_state"] = MasterState(row["master_state"]) if row["master_state"] else None
    return StackJob(**values)


async def page(
    db: Connection, observatory_id: UUID, *, state: JobState | None, limit: int, offset: int
) -> tuple[list[StackJob], int]:
    """Return one page of the stacking jobs of an observatory, newest first, and how many there are."""
    wanted = None if state is None else str(state)
    rows = await db.fetch(
        _SELECT
        + """
        AND j.observatory_id = $1 AND ($2::text IS NULL OR j.state = $2)
        ORDER BY j.created_at DESC, j.id DESC LIMIT $3 OFFSET $4
        """,
        observatory_id, wanted, limit, offset,
    )  # fmt: skip
    total: int = await db.fetchval(
        """
        SELECT count(*) FROM job
        WHERE kind = 'stack' AND observatory_id = $1 AND ($2::text IS NULL OR state = $2)
        """,
        observatory_id, wanted,
    )  # fmt: skip
    return [_job(row) for row in rows], total


async def get(db: Connection, job_id: UUID) -> StackJob | None:
    """Return one stacking job."""
    row = await db.fetchrow(_SELECT + "AND j.id = $1", job_id)
    return None if row is None else _job(row)


async def lock(db: Connection, job_id: UUID) -> None:
    """Let nobody else decide about a job until the transaction ends."""
    await db.execute("SELECT FROM job WHERE id = $1 FOR UPDATE", job_id)


async def last_order(db: Connection, job_id: UUID) -> WorkOrder | None:
    """Return the last order of a stacking job."""
    body = await db.fetchval("SELECT order_body FROM module_run WHERE job_id = $1 AND module = 'stack'", job_id)
    return None if body is None else WorkOrder.model_validate(body)


async def forget_candidate(db: Connection, job_id: UUID) -> list[str]:
    """Delete the rejected candidates of a job that is deleted; return the keys of their objects."""
    rows = await db.fetch(
        """
        DELETE FROM product p USING master m WHERE p.master_id = m.id AND m.job_id = $1 AND m.state = 'rejected'
            AND m.recalled_at IS NULL RETURNING p.key
        """,
        job_id,
    )
    await db.execute("DELETE FROM master WHERE job_id = $1 AND state = 'rejected' AND recalled_at IS NULL", job_id)
    return [row["key"] for row in rows]


async def delete(db: Connection, job_id: UUID) -> bool:
    """Delete a failed or cancelled stacking job; masters it made stay, without it. False when it has not failed."""
    await db.execute(
        """
        UPDATE master SET job_id = NULL WHERE job_id = $1
            AND EXISTS (SELECT FROM job WHERE id = $1 AND state IN ('failed', 'cancelled'))
        """,
        job_id,
    )
    answer = await db.fetchval(
        "DELETE FROM job WHERE id = $1 AND kind = 'stack' AND state IN ('failed', 'cancelled') RETURNING true", job_id
    )
    return bool(answer)
