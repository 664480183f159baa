"""Quality metrics and grades of light frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pictor.contracts.quality import Grade, GradeStatus, Quality
from pictor.state.database import Connection

_METRICS = tuple(Quality.model_fields)


async def save_quality(db: Connection, frame_id: UUID, job_id: UUID, quality: Quality, details: dict[str, Any]) -> None:
    """Record the quality of a frame; measuring again replaces it."""
    names = ", ".join(_METRICS)
    slots = ", ".join(f"${number}" for number in range(4, 4 + len(_METRICS)))
    update = ", ".join(f"{name} = excluded.{name}" for name in _METRICS)
    await db.execute(
        f"""
        INSERT INTO frame_quality (frame_id, job_id, details, {names}) VALUES ($1, $2, $3, {slots})
        ON CONFLICT (frame_id) DO UPDATE SET job_id = excluded.job_id, details = excluded.details, {update},
            measured_at = now()
        """,  # noqa: S608 - column names are the fields of Quality
        frame_id, job_id, details, *(getattr(quality, name) for name in _METRICS),
    )  # fmt: skip


async def quality_of(db: Connection, frame_id: UUID) -> tuple[Quality, dict[str, Any]] | None:
    """Return a frame's metrics and details, once measured."""
    row = await db.fetchrow("SELECT * FROM frame_quality WHERE frame_id = $1", frame_id)
    return None if row is None else (Quality(**{name: row[name] for name in _METRICS}), row["details"])


async def save_grade(db: Connection, frame_id: UUID, job_id: UUID | None, grade: Grade, *, by: str | None) -> None:
    """Add a grade to a frame's history; once per job."""
    await db.execute(
        """
        INSERT INTO frame_grade (frame_id, job_id, letter, status, reasons, rules, graded_by)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING
        """,
        frame_id, job_id, grade.letter, str(grade.status), list(grade.reasons), grade.rules, by,
    )  # fmt: skip


async def grade_of(db: Connection, frame_id: UUID) -> Grade | None:
    """Return the grade that counts: the newest by a person, else the newest by rules."""
    row = await db.fetchrow(
        "SELECT * FROM frame_grade WHERE frame_id = $1 ORDER BY (graded_by IS NOT NULL) DESC, id DESC LIMIT 1", frame_id
    )
    if row is None:
        return None
    return Grade(
        letter=row["letter"], status=GradeStatus(row["status"]), reasons=tuple(row["reasons"]), rules=row["rules"]
    )


@dataclass(frozen=True, slots=True)
class Given:
    """One grade ever given to a frame."""

    letter: str
    status: GradeStatus
    reasons: list[str]
    rules: str
    graded_by: str | None
    graded_at: datetime


async def grades(db: Connection, frame_id: UUID) -> list[Given]:
    """Return every grade of a frame, newest first."""
    rows = await db.fetch(
        """
        SELECT letter, status, reasons, rules, graded_by, graded_at FROM frame_grade
        WHERE frame_id = $1 ORDER BY id DESC
        """,
        frame_id,
    )
    return [Given(**dict(row) | {"status": GradeStatus(row["status"])}) for row in rows]


@dataclass(frozen=True, slots=True)
class Peer:
    """Metrics of an accepted frame of the same kind, for a baseline."""

    star_count: int
    fwhm_px: float | None
    hfr_px: float | None
    eccentricity: float | None
    background_adu: float | None


async def peers(
    db: Connection, frame_id: UUID, names: Sequence[str], *, before: date | None = None, any_target: bool = False,
    limit: int = 50,
) -> list[Peer]:  # fmt: skip
    """Return recent accepted frames of the same rig, target, filter (by any name) and exposure, oldest first."""
    rows = await db.fetch(
        """
        SELECT q.star_count, q.fwhm_px, q.hfr_px, q.eccentricity, q.background_adu
        FROM frame me JOIN frame f ON f.observatory_id = me.observatory_id AND f.rig_id IS NOT DISTINCT FROM me.rig_id
            AND ($4 OR f.target IS NOT DISTINCT FROM me.target) AND coalesce(f.filter, '') = ANY($5)
            AND f.exposure_s IS NOT DISTINCT FROM me.exposure_s AND f.frame_type = 'light' AND f.id <> me.id
        JOIN frame_quality q ON q.frame_id = f.id
        JOIN LATERAL (
            SELECT status FROM frame_grade g WHERE g.frame_id = f.id
            ORDER BY (graded_by IS NOT NULL) DESC, id DESC LIMIT 1
        ) g ON g.status = 'accepted'
        WHERE me.id = $1 AND ($2::date IS NULL OR f.night <= $2) ORDER BY f.start_utc DESC NULLS LAST LIMIT $3
        """,
        frame_id, before, limit, any_target, list(names),
    )  # fmt: skip
    return [Peer(**dict(row)) for row in reversed(rows)]
