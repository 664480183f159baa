"""The desk of dead letters."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pictor.contracts.parked import Parked
from pictor.state.database import Connection


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A parked order and what was decided about it."""

    id: int
    module: str
    subject: str
    reason: str
    message: str
    attempt: int
    stream_seq: int | None
    job_id: UUID | None
    body: str
    parked_at: datetime
    settled_at: datetime | None
    settled_as: str | None
    settled_by: str | None
    settled_reason: str | None = None
    outbox_id: int | None = None


def _letter(row: Any) -> DeadLetter:  # noqa: ANN401 - an asyncpg record
    return DeadLetter(**{name: row[name] for name in DeadLetter.__dataclass_fields__})


async def add(db: Connection, parked: Parked, *, outbox_id: int | None = None) -> bool:
    """Put a dead letter on the desk; False when it lies there already."""
    answer = await db.fetchval(
        """
        INSERT INTO parked
            (module, subject, reason, message, attempt, stream_seq, job_id, body, outbox_id, observatory_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, (SELECT observatory_id FROM job WHERE id = $7))
        ON CONFLICT DO NOTHING RETURNING true
        """,
        parked.module, parked.subject, parked.reason, parked.message, parked.attempt, parked.stream_seq,
        parked.job_id, parked.body, outbox_id,
    )  # fmt: skip
    return bool(answer)


async def page(
    db: Connection, *, module: str | None = None, settled: bool = False, limit: int = 50, offset: int = 0
) -> tuple[list[DeadLetter], int]:
    """Return one page of dead letters, newest first, and how many there are."""
    where = "WHERE ($1::text IS NULL OR module = $1) AND (settled_at IS NOT NULL) = $2"
    rows = await db.fetch(
        f"SELECT * FROM parked {where} ORDER BY id DESC LIMIT $3 OFFSET $4",  # noqa: S608 - a constant
        module, settled, limit, offset,
    )  # fmt: skip
    total: int = await db.fetchval(f"SELECT count(*) FROM parked {where}", module, settled)  # noqa: S608
    return [_letter(row) for row in rows], total


async def get(db: Connection, letter_id: int) -> DeadLetter | None:
    """Return one dead letter."""
    row = await db.fetchrow("SELECT * FROM parked WHERE id = $1", letter_id)
    return None if row is None else _letter(row)


async def settle(db: Connection, letter_id: int, *, settled_as: str, by: str) -> bool:
    """Decide about a dead letter once."""
    answer = await db.fetchval(
        """
        UPDATE parked SET settled_at = now(), settled_as = $2, settled_by = $3
        WHERE id = $1 AND settled_at IS NULL RETURNING true
        """,
        letter_id, settled_as, by,
    )  # fmt: skip
    return bool(answer)
