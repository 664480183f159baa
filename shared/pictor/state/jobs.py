"""Jobs: made with their first order, closed once."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from pictor.contracts.jobs import JobKind, JobState
from pictor.contracts.modules import Lane
from pictor.state.database import Connection


@dataclass(frozen=True, slots=True)
class Job:
    """All modules for one frame, or one stack."""

    id: UUID
    observatory_id: UUID
    observatory: str
    frame_id: UUID | None
    frame_name: str | None
    kind: JobKind
    lane: Lane
    state: JobState
    owner: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    reasons: tuple[str, ...] = field(default=())


_SELECT = """
    SELECT j.*, o.slug AS observatory, f.name AS frame_name
    FROM job j JOIN observatory o ON o.id = j.observatory_id LEFT JOIN frame f ON f.id = j.frame_id
"""


def _job(row: Any) -> Job:  # noqa: ANN401 - an asyncpg record
    return Job(
        id=row["id"],
        observatory_id=row["observatory_id"],
        observatory=row["observatory"],
        frame_id=row["frame_id"],
        frame_name=row["frame_name"],
        kind=JobKind(row["kind"]),
        lane=Lane(row["lane"]),
        state=JobState(row["state"]),
        owner=row["owner"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        reasons=tuple(row["reasons"]),
    )


@dataclass(frozen=True, slots=True)
class Among:
    """Jobs somebody may see: all of some observatories, and their own elsewhere."""

    administered: list[UUID]
    owners: list[str]


async def create(
    db: Connection, job_id: UUID, observatory_id: UUID, *,
    frame_id: UUID | None, kind: JobKind, lane: Lane, owner: str | None,
) -> bool:  # fmt: skip
    """Insert a job; False when an open job of that kind already exists for the frame."""
    answer = await db.fetchval(
        """
        INSERT INTO job (id, observatory_id, frame_id, kind, lane, owner) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT DO NOTHING RETURNING true
        """,
        job_id, observatory_id, frame_id, str(kind), str(lane), owner,
    )  # fmt: skip
    return bool(answer)


async def get(db: Connection, job_id: UUID, observatories: list[UUID] | None) -> Job | None:
    """Return a job of the given observatories (None: of any)."""
    row = await db.fetchrow(
        _SELECT + "WHERE j.id = $1 AND ($2::uuid[] IS NULL OR j.observatory_id = ANY($2))", job_id, observatories
    )
    return None if row is None else _job(row)


async def page(
    db: Connection, observatories: list[UUID] | None, *,
    state: JobState | None = None,
    frame_id: UUID | None = None, among: Among | None = None, limit: int = 50, offset: int = 0,
) -> tuple[list[Job], int]:  # fmt: skip
    """Return one page of jobs, newest first, and how many there are; ``among``: those somebody may see."""
    where = """
        WHERE ($1::uuid[] IS NULL OR j.observatory_id = ANY($1)) AND ($2::text IS NULL OR j.state = $2)
            AND ($3::uuid IS NULL OR j.frame_id = $3)
            AND ($4::uuid[] IS NULL OR j.observatory_id = ANY($4) OR j.owner = ANY($5))
    """
    whose = (among.administered, among.owners) if among else (None, [])
    values = (observatories, str(state) if state else None, frame_id, *whose)
    rows = await db.fetch(
        _SELECT + where + "ORDER BY j.created_at DESC, j.id DESC LIMIT $6 OFFSET $7", *values, limit, offset
    )
    total: int = await db.fetchval("SELECT count(*) FROM job j " + where, *values)  # noqa: S608
    return [_job(row) for row in rows], total


async def close(db: Connection, job_id: UUID) -> tuple[JobState, tuple[str, ...]] | None:
    """Close a running job from its runs' states; None when it is closed already."""
    row = await db.fetchrow(
        """
        WITH runs AS (
            SELECT array_agg(module || ': ' || coalesce(message, reason, 'failed') ORDER BY position)
                FILTER (WHERE state = 'failed') AS reasons,
                count(*) FILTER (WHERE state IN ('pending', 'running')) AS open
            FROM module_run WHERE job_id = $1
        ), closed AS (
            UPDATE job SET state = CASE WHEN runs.reasons IS NULL THEN 'completed' ELSE 'failed' END,
                reasons = coalesce(runs.reasons, '{}'), finished_at = now()
            FROM runs WHERE id = $1 AND state IN ('pending', 'running') AND runs.open = 0
            RETURNING state, job.reasons
        ), freed AS (
            UPDATE stack_request SET open = false WHERE job_id = $1 AND EXISTS (SELECT FROM closed)
        )
        SELECT state, reasons FROM closed
        """,
        job_id,
    )
    return None if row is None else (JobState(row["state"]), tuple(row["reasons"]))


async def cancel(db: Connection, job_id: UUID) -> bool:
    """Cancel an open job and all its open runs; False when it had ended before."""
    answer = await db.fetchval(
        """
        UPDATE job SET state = 'cancelled', finished_at = now(), reasons = '{cancelled by request}'
        WHERE id = $1 AND state IN ('pending', 'running') RETURNING true
        """,
        job_id,
    )
    if answer:
        await db.execute(
            """
            UPDATE module_run SET state = 'cancelled', finished_at = now(), lease_until = NULL
            WHERE job_id = $1 AND state IN ('pending', 'running')
            """,
            job_id,
        )
        await db.execute("UPDATE stack_request SET open = false WHERE job_id = $1", job_id)
    return bool(answer)


async def reopen(db: Connection, job_id: UUID) -> bool:
    """Open a failed job again, for an order put back by hand; not a stack of a group that is stacked anew already."""
    answer = await db.fetchval(
        """
        UPDATE job SET state = 'running', finished_at = NULL, reasons = '{}'
        WHERE id = $1 AND state IN ('failed', 'running', 'pending') AND NOT EXISTS (
            SELECT FROM stack_request mine JOIN stack_request other USING (observatory_id, group_key)
            WHERE mine.job_id = $1 AND other.job_id <> $1 AND other.open
        ) RETURNING true
        """,
        job_id,
    )
    if answer:
        await db.execute("UPDATE stack_request SET open = true WHERE job_id = $1", job_id)
    return bool(answer)


async def open_reprocess(db: Connection, frame_id: UUID) -> UUID | None:
    """Return the open reprocess job of a frame."""
    job_id: UUID | None = await db.fetchval(
        "SELECT id FROM job WHERE frame_id = $1 AND kind = 'reprocess' AND state IN ('pending', 'running')", frame_id
    )
    return job_id
