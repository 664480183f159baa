"""The audit log: every change by whom, when, what; append-only."""

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


async def page(
    db: Connection, observatories: list[UUID] | None, *,
    what: str | None = None, limit: int = 50, offset: int = 0,
) -> tuple[list[Entry], int]:  # fmt: skip
    """Return one page of the log, newest first, and how many lines there are."""
    where = "WHERE ($1::uuid[] IS NULL OR observatory_id = ANY($1)) AND ($2::text IS NULL OR object = $2)"
    rows = await db.fetch(
        f"SELECT * FROM audit {where} ORDER BY id DESC LIMIT $3 OFFSET $4",  # noqa: S608 - a constant
        observatories, what, limit, offset,
    )  # fmt: skip
    total: int = await db.fetchval(f"SELECT count(*) FROM audit {where}", observatories, what)  # noqa: S608
    return [Entry(**{name: row[name] for name in Entry.__dataclass_fields__}) for row in rows], total
