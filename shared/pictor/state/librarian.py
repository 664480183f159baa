"""How the calibration library does: what blocks groups, what is too old, missing or failed."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pictor.contracts.frames import FrameType
from pictor.state.database import Connection
from pictor.state.retention import TOO_OLD, Ages

FAILED_DAYS = 7
SHOWN = 50


@dataclass(frozen=True, slots=True)
class Counted:
    """One observatory in numbers."""

    id: UUID
    slug: str
    active: int
    expired: int
    needs_review: int
    without_file: int
    failed_stacks: int
    open_stacks: int
    oldest_due_s: float | None


@dataclass(frozen=True, slots=True)
class Blocked:
    """A group that waits for something a person can bring about."""

    observatory_id: UUID
    group_key: str
    decision: str
    message: str
    have: int
    needed: int
    since: datetime


@dataclass(frozen=True, slots=True)
class FailedStack:
    """A stack that failed lately."""

    observatory_id: UUID
    job_id: UUID
    group_key: str | None
    frame_type: FrameType | None
    finished_at: datetime | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class File:
    """The object of an active master."""

    observatory_id: UUID
    master_id: UUID
    key: str


async def counted(db: Connection, ages: Ages) -> list[Counted]:
    """Count masters, stacks and what is due, by observatory; ``ages`` are those of observatories that set none."""
    rows = await db.fetch(
        f"""
        SELECT o.id, o.slug, coalesce(m.active, 0) AS active, coalesce(m.expired, 0) AS expired,
            coalesce(m.needs_review, 0) AS needs_review, coalesce(m.without_file, 0) AS without_file,
            coalesce(j.failed, 0) AS failed_stacks, coalesce(j.open, 0) AS open_stacks, c.oldest_due_s
        FROM observatory o
        LEFT JOIN (
            SELECT m.observatory_id, count(*) FILTER (WHERE m.state = 'active') AS active,
                count(*) FILTER (WHERE m.state = 'active' AND {TOO_OLD}) AS expired,
                count(*) FILTER (WHERE m.state = 'needs-review') AS needs_review,
                count(*) FILTER (WHERE m.state = 'active' AND NOT EXISTS (
                    SELECT FROM product p WHERE p.master_id = m.id AND p.kind = 'master'
                )) AS without_file
            FROM master m LEFT JOIN calibration_policy p ON p.observatory_id = m.observatory_id GROUP BY 1
        ) m ON m.observatory_id = o.id
        LEFT JOIN (
            SELECT observatory_id,
                count(*) FILTER (WHERE state = 'failed' AND finished_at > now() - make_interval(days => $4)) AS failed,
                count(*) FILTER (WHERE state IN ('pending', 'running')) AS open
            FROM job WHERE kind = 'stack' GROUP BY 1
        ) j ON j.observatory_id = o.id
        LEFT JOIN (
            SELECT observatory_id, extract(epoch FROM now() - min(changed_at))::float8 AS oldest_due_s
            FROM calibration_mode WHERE decided_at IS NULL OR decided_at < changed_at GROUP BY 1
        ) c ON c.observatory_id = o.id
        ORDER BY o.slug
        """,  # noqa: S608 - constants of this package
        ages.dark_max_age_days, ages.flat_max_age_days, ages.bias_max_age_days, FAILED_DAYS,
    )  # fmt: skip
    return [Counted(**{name: row[name] for name in Counted.__dataclass_fields__}) for row in rows]


async def blocked(db: Connection) -> list[Blocked]:
    """Return the groups that wait, those that wait for a dark first; the first of each observatory."""
    rows = await db.fetch(
        """
        SELECT * FROM (
            SELECT observatory_id, group_key, decision, message, have, needed, updated_at AS since, row_number() OVER (
                PARTITION BY observatory_id ORDER BY decision = 'defer' DESC, updated_at, group_key
            ) AS place FROM calibration_note n WHERE decision = 'defer' OR (decision = 'keep' AND NOT EXISTS (
                SELECT FROM master m WHERE m.observatory_id = n.observatory_id AND m.group_key = n.group_key
                    AND m.state = 'active'
            ))
        ) waiting WHERE place <= $1 ORDER BY observatory_id, place
        """,
        SHOWN,
    )
    return [Blocked(**{name: row[name] for name in Blocked.__dataclass_fields__}) for row in rows]


async def failed(db: Connection) -> list[FailedStack]:
    """Return the stacks that failed in the last days, newest first."""
    rows = await db.fetch(
        """
        SELECT j.observatory_id, j.id AS job_id, r.group_key, r.frame_type, j.finished_at, j.reasons
        FROM job j LEFT JOIN stack_request r ON r.job_id = j.id
        WHERE j.kind = 'stack' AND j.state = 'failed' AND j.finished_at > now() - make_interval(days => $1)
        ORDER BY j.finished_at DESC LIMIT $2
        """,
        FAILED_DAYS, SHOWN,
    )  # fmt: skip
    return [
        FailedStack(
            row["observatory_id"], row["job_id"], row["group_key"],
            FrameType(row["frame_type"]) if row["frame_type"] else None, row["finished_at"], tuple(row["reasons"]),
        )
        for row in rows
    ]  # fmt: skip


async def files(db: Connection, *, limit: int) -> list[File]:
    """Return the objects of active masters, newest first."""
    rows = await db.fetch(
        """
        SELECT p.observatory_id, p.master_id, p.key FROM master m JOIN product p ON p.master_id = m.id
        WHERE m.state = 'active' AND p.kind = 'master' ORDER BY m.created_at DESC LIMIT $1
        """,
        limit,
    )
    return [File(row["observatory_id"], row["master_id"], row["key"]) for row in rows]
