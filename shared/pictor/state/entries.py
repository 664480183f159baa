"""One entry of the calibration library: what it is made of, what it was used for, and what is near it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pictor.contracts.masters import MasterState
from pictor.state.database import Connection
from pictor.state.frames import SELECT, Frame, frame_of

NEAREST = 5
"""Frames of the nearest exposures are enough to tell what a dark serves as."""


@dataclass(frozen=True, slots=True)
class Component:
    """A source of a master; one that was deleted since keeps its name and its digest."""

    frame_id: UUID
    name: str | None
    sha256: str
    deleted: bool
    note: str | None
    taken_at: datetime | None
    exposure_s: float | None
    ccd_temp_c: float | None
    size: int | None


@dataclass(frozen=True, slots=True)
class LightUse:
    """A light that was measured or calibrated with a master."""

    frame_id: UUID
    name: str
    target: str | None
    filter: str | None
    exposure_s: float | None
    taken_at: datetime | None
    measured: bool
    calibrated: bool
    weak: bool
    used_at: datetime


@dataclass(frozen=True, slots=True)
class MasterUse:
    """A master an individual frame is part of."""

    id: UUID
    state: MasterState
    group_key: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a master, beyond what the stack says."""

    superseded_at: datetime | None
    superseded_by: UUID | None
    reviewed_at: datetime | None
    reviewed_by: str | None
    recalled_at: datetime | None
    recalled_by: str | None
    recall_reason: str | None
    sources: int
    deleted_sources: int
    lights: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Whether and when an individual frame was used, and why it is never stacked."""

    mastered_by: UUID | None
    used_at: datetime | None
    ccd_temp_c: float | None
    set_temp_c: float | None


async def components(db: Connection, master_id: UUID) -> list[Component]:
    """Return the sources of a master, first taken first; those deleted since are named as well."""
    rows = await db.fetch(
        """
        SELECT c.frame_id, coalesce(f.name, c.name) AS name, c.sha256, f.id IS NULL AS deleted, c.note,
            coalesce(f.start_utc, c.taken_at) AS taken_at, f.exposure_s, f.ccd_temp_c, f.size
        FROM master_component c LEFT JOIN frame f ON f.id = c.frame_id WHERE c.master_id = $1
        ORDER BY 6 NULLS LAST, 2 NULLS LAST, 1
        """,
        master_id,
    )
    return [Component(**{name: row[name] for name in Component.__dataclass_fields__}) for row in rows]


_USES = """
    FROM (
        SELECT frame_id, bool_or(measured) AS measured, bool_or(calibrated) AS calibrated, bool_or(weak) AS weak,
            max(at) AS used_at
        FROM (
            SELECT frame_id, true AS measured, false AS calibrated, weak, made_at AS at FROM frame_calibration
            WHERE dark_id = $1 OR flat_id = $1 OR bias_id = $1
            UNION ALL
            SELECT frame_id, false, true, false, created_at FROM product
            WHERE kind IN ('calibrated', 'calibrated-clean') AND parameters->'master_ids' ?| ARRAY[$1::uuid::text]
        ) one GROUP BY frame_id
    ) u JOIN frame f ON f.id = u.frame_id
"""


async def lights(db: Connection, master_id: UUID, *, limit: int, offset: int) -> tuple[list[LightUse], int]:
    """Return one page of the lights a master was used for, newest first, and how many there are."""
    rows = await db.fetch(
        f"""
        SELECT u.*, f.name, f.target, f.filter, f.exposure_s, f.start_utc AS taken_at {_USES}
        ORDER BY f.start_utc DESC NULLS LAST, f.id LIMIT $2 OFFSET $3
        """,
        master_id, limit, offset,
    )  # fmt: skip
    total: int = await db.fetchval(f"SELECT count(*) {_USES}", master_id)
    return [LightUse(**{name: row[name] for name in LightUse.__dataclass_fields__}) for row in rows], total


async def fate(db: Connection, master_id: UUID) -> Fate | None:
    """Return what became of a master."""
    row = await db.fetchrow(
        f"""
        SELECT m.*, (SELECT count(*) FROM master_component c WHERE c.master_id = m.id) AS sources,
            (SELECT count(*) FROM master_component c WHERE c.master_id = m.id
                AND NOT EXISTS (SELECT FROM frame f WHERE f.id = c.frame_id)) AS deleted_sources,
            (SELECT count(*) {_USES}) AS lights
        FROM master m WHERE m.id = $1
        """,  # noqa: S608 - a constant
        master_id,
    )
    return None if row is None else Fate(**{name: row[name] for name in Fate.__dataclass_fields__})


async def claim(db: Connection, frame_id: UUID) -> Claim | None:
    """Return what became of an individual frame."""
    row = await db.fetchrow("SELECT mastered_by, used_at, ccd_temp_c, set_temp_c FROM frame WHERE id = $1", frame_id)
    return None if row is None else Claim(**dict(row))


async def masters_with(db: Connection, frame_id: UUID) -> list[MasterUse]:
    """Return the masters a frame is part of, newest first."""
    rows = await db.fetch(
        """
        SELECT m.id, m.state, m.group_key, m.created_at FROM master_component c JOIN master m ON m.id = c.master_id
        WHERE c.frame_id = $1 ORDER BY m.created_at DESC, m.id
        """,
        frame_id,
    )
    return [MasterUse(row["id"], MasterState(row["state"]), row["group_key"], row["created_at"]) for row in rows]


async def near(db: Connection, frame: Frame, frame_type: str, *, within: timedelta | None = None) -> list[Frame]:
    """Return frames of another type of the same camera mode with the nearest exposures."""
    rows = await db.fetch(
        SELECT
        + """
        WHERE f.observatory_id = $1 AND f.camera_mode = $2 AND f.frame_type = $3 AND f.state = 'registered'
            AND ($5::interval IS NULL OR f.start_utc BETWEEN $6::timestamptz - $5 AND $6::timestamptz + $5)
        ORDER BY abs(f.exposure_s - $4), f.id LIMIT $7
        """,
        frame.observatory_id, frame.camera_mode, frame_type, frame.exposure_s, within, frame.start_utc, NEAREST,
    )  # fmt: skip
    return [frame_of(row) for row in rows]


async def products_of(db: Connection, master_id: UUID) -> list[dict[str, Any]]:
    """Return the files of a master."""
    rows = await db.fetch("SELECT kind, size, sha256 FROM product WHERE master_id = $1 ORDER BY kind", master_id)
    return [dict(row) for row in rows]
