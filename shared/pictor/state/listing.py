"""Lists of frames: filters, pages, and cursors that stay right while frames arrive."""

from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pictor.contracts.frames import FrameState, FrameType
from pictor.contracts.jobs import JobState
from pictor.contracts.quality import GradeStatus
from pictor.state.database import Connection

COUNTED = 20_000
"""Frames counted exactly; a larger total is a lower bound and says so."""


@dataclass(frozen=True, slots=True)
class FrameFilter:
    """What a list is narrowed to; None narrows nothing."""

    observatory: str | None = None
    rig: str | None = None
    frame_type: FrameType | None = None
    filter: str | None = None
    target: str | None = None
    night: date | None = None
    state: FrameState | None = None
    status: JobState | None = None
    grade: GradeStatus | None = None
    exptime_min: float | None = None
    exptime_max: float | None = None
    ra_deg: float | None = None
    dec_deg: float | None = None
    radius_deg: float | None = None


@dataclass(frozen=True, slots=True)
class FrameRow:
    """One frame as a list shows it."""

    id: UUID
    observatory: str
    rig: str | None
    sha256: str
    name: str
    size: int
    state: FrameState
    reason: str | None
    message: str | None
    received_at: datetime
    frame_type: FrameType | None
    is_master: bool
    filter: str | None
    exposure_s: float | None
    gain_setting: float | None
    ccd_temp_c: float | None
    target: str | None
    start_utc: datetime | None
    night: date | None
    star_count: int | None
    fwhm_px: float | None
    hfr_px: float | None
    eccentricity: float | None
    background_adu: float | None
    ra_deg: float | None
    dec_deg: float | None
    scale_arcsec: float | None
    pa_deg: float | None
    letter: str | None
    grade: GradeStatus | None
    grade_reasons: tuple[str, ...]
    job_id: UUID | None
    status: JobState | None


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of frames, and what there is beyond it."""

    rows: list[FrameRow]
    total: int
    total_estimated: bool


_FROM = """
    FROM frame f JOIN observatory o ON o.id = f.observatory_id
    LEFT JOIN rig r ON r.id = f.rig_id
    LEFT JOIN frame_quality q ON q.frame_id = f.id
    LEFT JOIN frame_solution s ON s.frame_id = f.id
    LEFT JOIN LATERAL (
        SELECT letter, status, reasons FROM frame_grade g WHERE g.frame_id = f.id
        ORDER BY (graded_by IS NOT NULL) DESC, id DESC LIMIT 1
    ) g ON true
    LEFT JOIN LATERAL (
        SELECT id, state FROM job j WHERE j.frame_id = f.id ORDER BY created_at DESC, id DESC LIMIT 1
    ) j ON true
    WHERE ($1::uuid[] IS NULL OR f.observatory_id = ANY($1))
        AND ($2::text IS NULL OR o.slug = $2) AND ($3::text IS NULL OR r.name = $3)
        AND ($4::text IS NULL OR f.frame_type = $4) AND ($5::text IS NULL OR f.filter = $5)
        AND ($6::text IS NULL OR f.target ILIKE '%' || $6 || '%') AND ($7::date IS NULL OR f.night = $7)
        AND ($8::text IS NULL OR f.state = $8) AND ($9::text IS NULL OR j.state = $9)
        AND ($10::text IS NULL OR g.status = $10)
        AND ($11::double precision IS NULL OR f.exposure_s >= $11)
        AND ($12::double precision IS NULL OR f.exposure_s <= $12)
        AND ($15::double precision IS NULL OR (s.dec_deg BETWEEN $14 - $15 AND $14 + $15 AND
            2 * asind(least(1, sqrt(
                power(sind((s.dec_deg - $14) / 2), 2)
                + cosd(s.dec_deg) * cosd($14) * power(sind((s.ra_deg - $13::double precision) / 2), 2)
            ))) <= $15))
"""

_COLUMNS = """
    SELECT f.*, o.slug AS observatory, r.name AS rig, q.star_count, q.fwhm_px, q.hfr_px, q.eccentricity,
        q.background_adu, s.ra_deg, s.dec_deg, s.scale_arcsec, s.pa_deg, g.letter, g.status AS grade,
        g.reasons AS grade_reasons, j.id AS job_id, j.state AS status
"""


async def frames(
    db: Connection, observatories: list[UUID] | None, wanted: FrameFilter, *,
    limit: int = 50, offset: int = 0, after: tuple[datetime, UUID] | None = None,
) -> Listed:  # fmt: skip
    """Return frames, newest arrival first: a page, or those after a cursor (arrival and id of the last one seen)."""
    values = (observatories, *(_text(getattr(wanted, one.name)) for one in fields(wanted)))
    seen, last = after or (None, None)
    rows = await db.fetch(
        _COLUMNS + _FROM + """
        AND ($16::timestamptz IS NULL OR (f.received_at, f.id) < ($16, $17::uuid))
        ORDER BY f.received_at DESC, f.id DESC LIMIT $18 OFFSET $19
        """,
        *values, seen, last, limit, 0 if after else offset,
    )  # fmt: skip
    total: int = await db.fetchval(
        f"SELECT count(*) FROM (SELECT 1 {_FROM} LIMIT {COUNTED + 1}) AS counted",  # noqa: S608 - constants
        *values,
    )
    return Listed([_row(row) for row in rows], min(total, COUNTED), total > COUNTED)


def _text(value: object) -> object:
    return str(value) if isinstance(value, (FrameType, FrameState, JobState, GradeStatus)) else value


def _row(row: Any) -> FrameRow:  # noqa: ANN401 - an asyncpg record
    values = {name: row[name] for name in FrameRow.__dataclass_fields__}
    values["state"] = FrameState(row["state"])
    values["frame_type"] = FrameType(row["frame_type"]) if row["frame_type"] else None
    values["grade"] = GradeStatus(row["grade"]) if row["grade"] else None
    values["grade_reasons"] = tuple(row["grade_reasons"] or ())
    values["status"] = JobState(row["status"]) if row["status"] else None
    return FrameRow(**values)


async def one(db: Connection, frame_id: UUID) -> FrameRow:
    """Return one frame as a list shows it; it must exist."""
    nothing = (None,) * (1 + len(fields(FrameFilter)))
    row = await db.fetchrow(_COLUMNS + _FROM + "AND f.id = $16", *nothing, frame_id)
    return _row(row)
