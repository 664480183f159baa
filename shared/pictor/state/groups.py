"""What is known about groups of calibration frames besides their masters."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pictor.state.database import Connection


@dataclass(frozen=True, slots=True)
class NamedGroup:
    """A group under the name it was given when it was first seen."""

    group_key: str
    facts: dict[str, Any]


async def named_groups(db: Connection, observatory_id: UUID) -> list[NamedGroup]:
    """Return the groups that have a name though no master yet: stacks asked for first, then those that wait."""
    rows = await db.fetch(
        """
        SELECT group_key, facts FROM (
            SELECT group_key, facts, 0 AS rank, created_at AS at FROM stack_request WHERE observatory_id = $1 AND open
            UNION ALL SELECT group_key, facts, 1, updated_at FROM calibration_note WHERE observatory_id = $1
        ) known ORDER BY rank, at DESC
        """,
        observatory_id,
    )
    return [NamedGroup(row["group_key"], row["facts"]) for row in rows]


async def failed_request(db: Connection, observatory_id: UUID, group_key: str) -> set[UUID]:
    """Return the frames of a group's newest stack if it failed: the same frames would fail again at every sweep."""
    row = await db.fetchrow(
        """
        SELECT r.frame_ids, j.state FROM stack_request r JOIN job j ON j.id = r.job_id
        WHERE r.observatory_id = $1 AND r.group_key = $2 ORDER BY r.created_at DESC LIMIT 1
        """,
        observatory_id, group_key,
    )  # fmt: skip
    return set(row["frame_ids"]) if row is not None and row["state"] == "failed" else set()
