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


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which dead letters are meant; None means any."""

    module: str | None = None
    reason: str | None = None
    since: datetime | None = None
    settled: bool = False


_WHERE = """
    WHERE ($1::text IS NULL OR module = $1) AND ($2::text IS NULL OR reason = $2)
        AND ($3::timestamptz IS NULL OR parked_at >= $3) AND (settled_at IS NOT NULL) = $4
"""


async def page(
    db: Connection, wanted: Wanted = Wanted(), *, limit: int = 50, offset: int = 0
) -> tuple[list[DeadLetter], int]:  # fmt: skip
    """Return one page of dead letters, newest first, and how many there are."""
    values = (wanted.module, wanted.reason, wanted.since, wanted.settled)
    rows = await db.fetch(
        f"SELECT * FROM parked {_WHERE} ORDER BY id DESC LIMIT $5 OFFSET $6",  # noqa: S608 - a constant
        *values, limit, offset,
    )  # fmt: skip
    total: int = await db.fetchval(f"SELECT count(*) FROM parked {_WHERE}", *values)  # noqa: S608
    return [_letter(row) for row in rows], total


async def numbers(db: Connection, wanted: Wanted, *, limit: int) -> list[int]:
    """Return the numbers of open dead letters, oldest first."""
    rows = await db.fetch(
        f"SELECT id FROM parked {_WHERE} ORDER BY id LIMIT $5",  # noqa: S608 - a constant
        wanted.module, wanted.reason, wanted.since, False, limit,
    )  # fmt: skip
    return [row["id"] for row in rows]


async def get(db: Connection, letter_id: int) -> DeadLetter | None:
    """Return one dead letter."""
    row = await db.fetchrow("SELECT * FROM parked WHERE id = $1", letter_id)
    return None if row is None else _letter(row)


async def settle(db: Connection, letter_id: int, *, settled_as: str, by: str, reason: str | None = None) -> bool:
    """Decide about a dead letter once."""
    answer = await db.fetchval(
        """
        UPDATE parked SET settled_at = now(), settled_as = $2, settled_by = $3, settled_reason = $4
        WHERE id = $1 AND settled_at IS NULL RETURNING true
        """,
        letter_id, settled_as, by, reason,
    )  # fmt: skip
    return bool(answer)


async def conclude(db: Connection, letter: DeadLetter, sentence: str) -> None:
    """Add to a failed run, and to its failed job, why nobody will try it again."""
    await db.execute(
        """
        UPDATE module_run SET message = concat_ws(' ', message, $4::text)
        WHERE job_id = $1 AND module = $2 AND run = $3 AND state = 'failed'
        """,
        letter.job_id, letter.module, letter.attempt, sentence,
    )  # fmt: skip
    await db.execute(
        """
        UPDATE job SET reasons = (
            SELECT coalesce(array_agg(module || ': ' || coalesce(message, reason, 'failed') ORDER BY position), '{}')
            FROM module_run WHERE job_id = $1 AND state = 'failed'
        ) WHERE id = $1 AND state = 'failed'
        """,
        letter.job_id,
    )  # fmt: skip
