"""The audit log: every change by whom, when, what; append-only."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pictor.state.database import Connection


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the audit log."""

    id: int
    at: datetime
    actor: str
    address: str | None
    action: str
    object: str
    observatory_id: UUID | None
    outcome: str
    detail: dict[str, Any]


async def record(
    db: Connection, actor: str, action: str, what: str, *,
    observatory_id: UUID | None = None, address: str | None = None, outcome: str = "ok",
    detail: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    """Append one line, in the transaction of the change it tells of."""
    await db.execute(
        """
        INSERT INTO audit (actor, address, action, object, observatory_id, outcome, detail)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        actor, address, action, what, observatory_id, outcome, detail or {},
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sought:
    """Which lines: about one thing, of a kind of action (``user`` or ``user.role``), by somebody, in a time."""

    what: str | None = None
    action: str | None = None
    actor: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None


EVERYTHING = Sought()

_WHERE = """
    WHERE ($1::uuid[] IS NULL OR observatory_id = ANY($1)) AND ($2::text IS NULL OR object = $2)
        AND ($3::text IS NULL OR action = $3 OR starts_with(action, $3 || '.'))
        AND ($4::text IS NULL OR actor = $4) AND ($5::text IS NULL OR outcome = $5)
        AND ($6::timestamptz IS NULL OR at >= $6) AND ($7::timestamptz IS NULL OR at < $7)
"""


async def page(
    db: Connection, observatories: list[UUID] | None, sought: Sought = EVERYTHING, *, limit: int = 50, offset: int = 0
) -> tuple[list[Entry], int]:
    """Return one page of the log, newest first, and how many lines there are."""
    given = (observatories, sought.what, sought.action, sought.actor, sought.outcome, sought.since, sought.until)
    rows = await db.fetch(
        f"SELECT * FROM audit {_WHERE} ORDER BY id DESC LIMIT $8 OFFSET $9",  # noqa: S608 - a constant
        *given, limit, offset,
    )  # fmt: skip
    total: int = await db.fetchval(f"SELECT count(*) FROM audit {_WHERE}", *given)  # noqa: S608 - a constant
    return [Entry(**{name: row[name] for name in Entry.__dataclass_fields__}) for row in rows], total


CHAIN_START = hashlib.sha256(b"Pictor").digest()
"""What the first line is chained to."""

VERIFIED_AT_ONCE = 20_000
"""Lines per statement, so that no statement comes near its time limit."""

_BROKEN = """
    SELECT l.id, l.place FROM (
        SELECT a.*, lag(a.sha256, 1, $1::bytea) OVER (ORDER BY a.place) AS before FROM audit a
        WHERE a.place > $2 AND a.place <= $2 + $3
    ) l
    WHERE l.sha256 IS DISTINCT FROM sha256(l.before || convert_to(jsonb_build_array(
        l.place, l.id, extract(epoch FROM l.at), l.actor, l.address, l.action, l.object,
        l.observatory_id, l.outcome, l.detail
    )::text, 'UTF8'))
    ORDER BY l.place LIMIT 50
"""


async def verify_chain(db: Connection) -> list[str]:
    """Compute the whole chain anew, not trusting the database's own function; returns a sentence per break.

    A changed, removed, inserted or moved line breaks the chain at its place. Whoever owns the server can rewrite all
    of it; who wants to notice that writes the end of the chain down elsewhere (``chain_end``).
    """
    async with db.transaction(isolation="repeatable_read", readonly=True):
        place, digest = await chain_end(db)
        found = await _loose(db, place)
        previous = CHAIN_START
        for done in range(0, place, VERIFIED_AT_ONCE):
            rows = await db.fetch(_BROKEN, previous, done, VERIFIED_AT_ONCE)
            found += [
                f"line {row['id']} of the audit log (place {row['place']}) is not what was written" for row in rows
            ]
            last = min(done + VERIFIED_AT_ONCE, place)
            previous = await db.fetchval("SELECT sha256 FROM audit WHERE place = $1", last) or b""
    if previous != digest:
        found.append(f"the audit log does not end with the line it ended with: place {place} differs")
    return found


async def chain_end(db: Connection) -> tuple[int, bytes]:
    """Return how many lines the chain has, and the digest of its last one."""
    row = await db.fetchrow("SELECT place, sha256 FROM audit_end")
    return (0, b"") if row is None else (row["place"], bytes(row["sha256"]))


async def _loose(db: Connection, end: int) -> list[str]:
    """Find lines outside of the chain, and places without a line."""
    loose = await db.fetch("SELECT id FROM audit WHERE place IS NULL OR place > $1 ORDER BY id LIMIT 50", end)
    gaps = await db.fetch(
        """
        SELECT place + 1 AS missing, following FROM (
            SELECT place, lead(place, 1, $1::bigint + 1) OVER (ORDER BY place) AS following
            FROM (SELECT 0::bigint AS place UNION ALL SELECT place FROM audit WHERE place <= $1) places
        ) pairs WHERE following > place + 1 LIMIT 50
        """,
        end,
    )
    return [
        *(f"line {row['id']} of the audit log is not part of its chain" for row in loose),
        *(f"the audit log has no line at place {row['missing']} to {row['following'] - 1}" for row in gaps),
    ]
