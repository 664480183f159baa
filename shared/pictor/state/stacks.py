"""Requests to stack a group, and the frames they are about."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pictor.contracts.frames import FrameType
from pictor.state.database import Connection
from pictor.state.frames import SELECT, Frame, frame_of


@dataclass(frozen=True, slots=True)
class StackRequest:
    """The wish to stack one group, with everything frozen at the time of the decision."""

    job_id: UUID
    observatory_id: UUID
    group_key: str
    frame_type: FrameType
    frame_ids: tuple[UUID, ...]
    facts: dict[str, Any]
    policy: dict[str, Any]
    force: bool


async def request(db: Connection, wanted: StackRequest) -> bool:
    """Ask for a stack; False when one of this group is asked for already."""
    answer = await db.fetchval(
        """
        INSERT INTO stack_request (job_id, observatory_id, group_key, frame_type, frame_ids, facts, policy, force)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (observatory_id, group_key) WHERE open DO NOTHING
        RETURNING true
        """,
        wanted.job_id, wanted.observatory_id, wanted.group_key, str(wanted.frame_type), list(wanted.frame_ids),
        wanted.facts, wanted.policy, wanted.force,
    )  # fmt: skip
    return bool(answer)


async def requested_groups(db: Connection, observatory_id: UUID) -> set[str]:
    """Return the groups of which a stack is asked for.

    Ask before the masters are read: a stack that ends in between is then still seen here, else in neither place.
    """
    rows = await db.fetch("SELECT group_key FROM stack_request WHERE observatory_id = $1 AND open", observatory_id)
    return {row["group_key"] for row in rows}


async def request_of(db: Connection, job_id: UUID) -> StackRequest | None:
    """Return what a stacking job is asked to do."""
    row = await db.fetchrow("SELECT * FROM stack_request WHERE job_id = $1", job_id)
    if row is None:
        return None
    values = {name: row[name] for name in StackRequest.__dataclass_fields__}
    values["frame_type"] = FrameType(row["frame_type"])
    values["frame_ids"] = tuple(row["frame_ids"])
    return StackRequest(**values)


async def members(db: Connection, frame_ids: tuple[UUID, ...]) -> list[Frame]:
    """Return the frames of a request that still exist."""
    rows = await db.fetch(SELECT + "WHERE f.id = ANY($1) ORDER BY f.start_utc, f.id", list(frame_ids))
    return [frame_of(row) for row in rows]


async def tried(db: Connection, observatory_id: UUID, group_key: str) -> set[UUID]:
    """Return the frames of the newest stack of a group that failed its gate, so that it is not made again and again."""
    rows = await db.fetch(
        """
        SELECT frame_id FROM master_component WHERE master_id = (
            SELECT id FROM master WHERE observatory_id = $1 AND group_key = $2 AND state IN ('rejected', 'needs-review')
                AND origin = 'stack'
            ORDER BY created_at DESC LIMIT 1
        )
        """,
        observatory_id, group_key,
    )  # fmt: skip
    return {row["frame_id"] for row in rows}
