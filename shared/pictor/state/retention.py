"""What of the calibration library has become too old: warnings about masters, frames and masters to delete."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pictor.contracts.frames import FrameType
from pictor.state.database import Connection

KEEPER_LOCK = 7_420_120
"""Key of the advisory lock that lets one process at a time keep the library."""

HELD = """
    EXISTS (
        SELECT FROM master_component c JOIN master m ON m.id = c.master_id
        LEFT JOIN master next ON next.id = m.superseded_by
        WHERE c.frame_id = f.id AND (m.state = 'active'
            OR (m.state = 'superseded' AND next.state IN ('active', 'superseded')))
    )
"""
"""A living master holds the frame: an active one, or one that a living one took the place of."""

WAITED_FOR = """
    EXISTS (SELECT FROM stack_request r WHERE r.open AND r.observatory_id = f.observatory_id
        AND r.frame_ids @> ARRAY[f.id])
    OR EXISTS (SELECT FROM master_component c JOIN master m ON m.id = c.master_id
        WHERE c.frame_id = f.id AND m.state IN ('candidate', 'needs-review'))
    OR EXISTS (SELECT FROM job j WHERE j.frame_id = f.id AND j.state IN ('pending', 'running'))
"""
"""Somebody still works with the frame or has to decide about a master of it."""


@dataclass(frozen=True, slots=True)
class Ages:
    """Settings an observatory has where it changed none."""

    dark_max_age_days: int
    flat_max_age_days: int
    bias_max_age_days: int
    individual_retention_days: int
    master_retention_days: int


@dataclass(frozen=True, slots=True)
class OldMaster:
    """An active master beyond the age its policy likes."""

    id: UUID
    observatory: str
    observatory_id: UUID
    frame_type: FrameType
    group_key: str
    taken_at: datetime
    age_days: float
    max_age_days: int


@dataclass(frozen=True, slots=True)
class Due:
    """A frame or superseded master whose time is over."""

    id: UUID
    observatory_id: UUID
    name: str
    sha256: str | None
    size: int
    since: datetime
    days: int


_MAX_AGE = """
    (CASE m.frame_type WHEN 'flat' THEN coalesce(p.flat_max_age_days, $2) WHEN 'bias'
        THEN coalesce(p.bias_max_age_days, $3) ELSE coalesce(p.dark_max_age_days, $1) END)
"""
_AGE = "(extract(epoch FROM now() - m.aged_from) / 86400)::float8"
TOO_OLD = f"{_AGE} > {_MAX_AGE}"
"""Whether a master ``m`` is over the age its policy ``p`` allows; $1 to $3 are the ages where there is none."""


async def expired(db: Connection, ages: Ages, *, limit: int) -> list[OldMaster]:
    """Return active masters that are too old and nobody was warned of yet."""
    rows = await db.fetch(
        f"""
        SELECT m.id, o.slug AS observatory, m.observatory_id, m.frame_type, m.group_key,
            m.aged_from AS taken_at, {_AGE} AS age_days, {_MAX_AGE} AS max_age_days
        FROM master m JOIN observatory o ON o.id = m.observatory_id
        LEFT JOIN calibration_policy p ON p.observatory_id = m.observatory_id
        WHERE m.state = 'active' AND m.expired_at IS NULL AND {TOO_OLD}
        ORDER BY m.taken_at, m.id LIMIT $4
        """,  # noqa: S608 - constants of this module
        ages.dark_max_age_days, ages.flat_max_age_days, ages.bias_max_age_days, limit,
    )  # fmt: skip
    names = OldMaster.__dataclass_fields__
    return [OldMaster(**{n: row[n] for n in names} | {"frame_type": FrameType(row["frame_type"])}) for row in rows]


async def mark_expired(db: Connection, master_id: UUID) -> bool:
    """Remember that a master was warned of; False when that was done before, or it is not in use any more."""
    answer = await db.fetchval(
        """
        UPDATE master SET expired_at = now() WHERE id = $1 AND state = 'active' AND expired_at IS NULL RETURNING true
        """,
        master_id,
    )
    return bool(answer)


async def unmark_young(db: Connection, ages: Ages) -> int:
    """Take back warnings that a longer age of the policy made wrong; return how many."""
    rows = await db.fetch(
        f"""
        UPDATE master SET expired_at = NULL WHERE id IN (
            SELECT m.id FROM master m LEFT JOIN calibration_policy p ON p.observatory_id = m.observatory_id
            WHERE m.state = 'active' AND m.expired_at IS NOT NULL AND NOT {TOO_OLD}
        ) RETURNING id
        """,  # noqa: S608 - constants of this module
        ages.dark_max_age_days, ages.flat_max_age_days, ages.bias_max_age_days,
    )  # fmt: skip
    return len(rows)


def _due(row: Mapping[str, Any]) -> Due:
    return Due(**{name: row[name] for name in Due.__dataclass_fields__})


async def frames_due(db: Connection, ages: Ages, *, after: UUID, limit: int) -> list[Due]:
    """Return individual frames used long enough ago that a living master holds and nobody waits for, by id."""
    rows = await db.fetch(
        f"""
        SELECT f.id, f.observatory_id, f.name, f.sha256, f.size, f.used_at AS since,
            coalesce(p.individual_retention_days, $1) AS days
        FROM frame f LEFT JOIN calibration_policy p ON p.observatory_id = f.observatory_id
        WHERE f.id > $2 AND f.used_at IS NOT NULL AND NOT f.is_master
            AND f.frame_type IN ('dark', 'flat', 'bias', 'flat-dark')
            AND f.used_at < now() - make_interval(days => coalesce(p.individual_retention_days, $1))
            AND {HELD} AND NOT ({WAITED_FOR})
        ORDER BY f.id LIMIT $3
        """,  # noqa: S608 - constants of this module
        ages.individual_retention_days, after, limit,
    )  # fmt: skip
    return [_due(row) for row in rows]


async def frame_still_due(db: Connection, frame_id: UUID, since: datetime) -> bool:
    """Say, with the frame locked, whether it may still be deleted."""
    found = await db.fetchval(
        f"""
        SELECT true FROM frame f WHERE f.id = $1 AND f.used_at = $2 AND {HELD} AND NOT ({WAITED_FOR}) FOR UPDATE
        """,  # noqa: S608 - constants of this module
        frame_id, since,
    )  # fmt: skip
    return bool(found)


async def masters_due(db: Connection, ages: Ages, *, after: UUID, limit: int) -> list[Due]:
    """Return superseded masters kept long enough, by id; the group has an active one."""
    rows = await db.fetch(
        """
        SELECT m.id, m.observatory_id, m.group_key AS name, NULL AS sha256,
            coalesce((SELECT sum(size) FROM product WHERE master_id = m.id), 0)::bigint AS size,
            m.superseded_at AS since, coalesce(p.master_retention_days, $1) AS days
        FROM master m LEFT JOIN calibration_policy p ON p.observatory_id = m.observatory_id
        WHERE m.id > $2 AND m.state = 'superseded'
            AND m.superseded_at < now() - make_interval(days => coalesce(p.master_retention_days, $1))
            AND EXISTS (SELECT FROM master a WHERE a.observatory_id = m.observatory_id AND a.group_key = m.group_key
                AND a.state = 'active')
        ORDER BY m.id LIMIT $3
        """,
        ages.master_retention_days, after, limit,
    )  # fmt: skip
    return [_due(row) for row in rows]


async def delete_superseded(db: Connection, due: Due) -> list[str] | None:
    """Delete a superseded master with its files' rows; None when it is superseded no more. Returns the keys."""
    still = await db.fetchval(
        "SELECT true FROM master WHERE id = $1 AND state = 'superseded' AND superseded_at = $2 FOR UPDATE",
        due.id, due.since,
    )  # fmt: skip
    if not still:
        return None
    rows = await db.fetch("DELETE FROM product WHERE master_id = $1 RETURNING key", due.id)
    await db.execute(
        """
        UPDATE master SET superseded_by = (SELECT superseded_by FROM master WHERE id = $1) WHERE superseded_by = $1
        """,
        due.id,
    )
    await db.execute("DELETE FROM master WHERE id = $1", due.id)
    return [row["key"] for row in rows]
