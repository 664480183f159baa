"""What happened in one night: frames with their metrics, grades, positions and modules, in one statement."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pictor.contracts.frames import FrameState, FrameType
from pictor.contracts.modules import Module, RunState
from pictor.contracts.quality import GradeStatus
from pictor.state.database import Connection


@dataclass(frozen=True, slots=True)
class ModuleDot:
    """How the newest run of one module ended."""

    module: Module
    state: RunState
    message: str | None


@dataclass(frozen=True, slots=True)
class NightFrame:
    """One line of a night."""

    id: UUID
    observatory: str
    rig: str | None
    name: str
    state: FrameState
    message: str | None
    received_at: datetime
    start_utc: datetime | None
    night: date | None
    frame_type: FrameType | None
    target: str | None
    filter: str | None
    exposure_s: float | None
    ccd_temp_c: float | None
    star_count: int | None
    fwhm_px: float | None
    hfr_px: float | None
    eccentricity: float | None
    background_adu: float | None
    scale_arcsec: float | None
    ra_deg: float | None
    dec_deg: float | None
    target_offset_arcsec: float | None
    letter: str | None
    grade: GradeStatus | None
    grade_reasons: tuple[str, ...]
    tiles: dict[str, Any] | None
    modules: tuple[ModuleDot, ...]

    @property
    def fwhm_arcsec(self) -> float | None:
        """FWHM on the sky, once the scale is known."""
        return None if self.fwhm_px is None or self.scale_arcsec is None else self.fwhm_px * self.scale_arcsec

    @property
    def taken_at(self) -> datetime:
        """When the exposure began, or arrived while that is not known."""
        return self.start_utc or self.received_at


@dataclass(frozen=True, slots=True)
class NightCount:
    """A night, how many frames it holds, and of how many the header was read."""

    night: date
    frames: int
    described: int


_NIGHT = "coalesce(f.night, (f.received_at AT TIME ZONE 'UTC' - interval '12 hours')::date)"

_SELECT = f"""
    SELECT f.id, o.slug AS observatory, r.name AS rig, f.name, f.state, f.message, f.received_at, f.start_utc,
        {_NIGHT} AS night, f.frame_type, f.target, f.filter, f.exposure_s, f.ccd_temp_c,
        q.star_count, q.fwhm_px, q.hfr_px, q.eccentricity, q.background_adu,
        s.scale_arcsec, s.ra_deg, s.dec_deg, s.target_offset_arcsec,
        g.letter, g.status AS grade, coalesce(g.reasons, '{{}}') AS grade_reasons,
        p.parameters AS tiles, coalesce(m.modules, '[]'::jsonb) AS modules
    FROM frame f JOIN observatory o ON o.id = f.observatory_id LEFT JOIN rig r ON r.id = f.rig_id
    LEFT JOIN frame_quality q ON q.frame_id = f.id
    LEFT JOIN frame_solution s ON s.frame_id = f.id
    LEFT JOIN product p ON p.frame_id = f.id AND p.kind = 'tiles'
    LEFT JOIN LATERAL (
        SELECT letter, status, reasons FROM frame_grade
        WHERE frame_id = f.id ORDER BY (graded_by IS NOT NULL) DESC, id DESC LIMIT 1
    ) g ON true
    LEFT JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_array(n.module, n.state, n.message) ORDER BY n.position) AS modules
        FROM (
            SELECT DISTINCT ON (u.module) u.module, u.state, u.message, u.position
            FROM job j JOIN module_run u ON u.job_id = j.id
            WHERE j.frame_id = f.id ORDER BY u.module, j.created_at DESC
        ) n
    ) m ON true
"""  # noqa: S608 - a constant of this module

_ALLOWED = "($1::uuid[] IS NULL OR f.observatory_id = ANY($1))"


def _frame(row: Any) -> NightFrame:  # noqa: ANN401 - an asyncpg record
    values = {name: row[name] for name in NightFrame.__dataclass_fields__}
    values["state"] = FrameState(row["state"])
    values["frame_type"] = FrameType(row["frame_type"]) if row["frame_type"] else None
    values["grade"] = GradeStatus(row["grade"]) if row["grade"] else None
    values["grade_reasons"] = tuple(row["grade_reasons"])
    values["modules"] = tuple(
        ModuleDot(Module(module), RunState(state), message) for module, state, message in row["modules"]
    )
    return NightFrame(**values)


async def frames(
    db: Connection, observatories: list[UUID] | None, night: date | None, *, limit: int = 2000
) -> list[NightFrame]:
    """Return the frames of a night, newest exposure first."""
    rows = await db.fetch(
        _SELECT
        + f"""
        WHERE {_ALLOWED} AND {_NIGHT} = $2
        ORDER BY coalesce(f.start_utc, f.received_at) DESC, f.id DESC LIMIT $3
        """,
        observatories, night, limit,
    )  # fmt: skip
    return [_frame(row) for row in rows]


async def frame(db: Connection, observatories: list[UUID] | None, frame_id: UUID) -> NightFrame | None:
    """Return one line of a night."""
    row = await db.fetchrow(_SELECT + f"WHERE {_ALLOWED} AND f.id = $2", observatories, frame_id)
    return None if row is None else _frame(row)


async def nights(db: Connection, observatories: list[UUID] | None, *, limit: int = 60) -> list[NightCount]:
    """Return the newest nights that hold frames."""
    rows = await db.fetch(
        f"""
        SELECT {_NIGHT} AS night, count(*) AS frames, count(f.night) AS described FROM frame f WHERE {_ALLOWED}
        GROUP BY 1 ORDER BY 1 DESC LIMIT $2
        """,  # noqa: S608 - constants of this module
        observatories, limit,
    )  # fmt: skip
    return [NightCount(row["night"], row["frames"], row["described"]) for row in rows]


async def neighbours(
    db: Connection, observatories: list[UUID] | None, frame_id: UUID
) -> tuple[UUID | None, UUID | None]:
    """Return the exposures before and after one of the same night and kind."""
    row = await db.fetchrow(
        f"""
        WITH line AS (
            SELECT f.id, lag(f.id) OVER w AS before, lead(f.id) OVER w AS after
            FROM frame f JOIN frame me ON me.id = $2 AND f.observatory_id = me.observatory_id
                AND f.night IS NOT DISTINCT FROM me.night AND f.frame_type IS NOT DISTINCT FROM me.frame_type
            WHERE {_ALLOWED} WINDOW w AS (ORDER BY coalesce(f.start_utc, f.received_at), f.id)
        )
        SELECT before, after FROM line WHERE id = $2
        """,  # noqa: S608 - constants of this module
        observatories, frame_id,
    )  # fmt: skip
    return (None, None) if row is None else (row["before"], row["after"])
