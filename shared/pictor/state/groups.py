"""What is known about groups of calibration frames besides their masters."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pictor.state.database import Connection


@dataclass(frozen=True, slots=True)
class NamedGroup:
    """A group under the name it was given when it was first seen."""

    group_key: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Note:
    """Why a group waits, or what was decided about it."""

    group_key: str
    decision: str
    message: str
    have: int
    needed: int
    facts: dict[str, Any]
    updated_at: datetime | None = None


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
    """Return the frames of a group's newest stack if it failed or was called off: the same would happen again."""
    row = await db.fetchrow(
        """
        SELECT r.frame_ids, j.state FROM stack_request r JOIN job j ON j.id = r.job_id
        WHERE r.observatory_id = $1 AND r.group_key = $2 ORDER BY r.created_at DESC LIMIT 1
        """,
        observatory_id, group_key,
    )  # fmt: skip
    return set(row["frame_ids"]) if row is not None and row["state"] in {"failed", "cancelled"} else set()


async def save_notes(db: Connection, observatory_id: UUID, notes: list[Note]) -> None:
    """Replace what is known about the groups of a camera mode."""
    await db.executemany(
        """
        INSERT INTO calibration_note (observatory_id, group_key, decision, message, have, needed, facts)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (observatory_id, group_key) DO UPDATE SET decision = excluded.decision,
            message = excluded.message, have = excluded.have, needed = excluded.needed, facts = excluded.facts,
            updated_at = now()
        """,
        [(observatory_id, n.group_key, n.decision, n.message, n.have, n.needed, n.facts) for n in notes],
    )


async def forget_notes(db: Connection, observatory_id: UUID, group_keys: Sequence[str]) -> None:
    """Forget groups there are no more: their frames are in another."""
    await db.execute(
        "DELETE FROM calibration_note WHERE observatory_id = $1 AND group_key = ANY($2)", observatory_id, group_keys
    )


async def note_of(db: Connection, observatory_id: UUID, group_key: str) -> Note | None:
    """Return what was last decided about a group."""
    row = await db.fetchrow(
        "SELECT * FROM calibration_note WHERE observatory_id = $1 AND group_key = $2", observatory_id, group_key
    )
    return None if row is None else Note(**{name: row[name] for name in Note.__dataclass_fields__})
