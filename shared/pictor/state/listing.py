"""Lists of frames: filters, pages, and cursors that stay right while frames arrive."""

from dataclasses import astuple, dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pictor.contracts.frames import FrameState, FrameType
from pictor.contracts.jobs import JobState
from pictor.contracts.quality import GradeStatus
from pictor.state.database import Connection
from pictor.state.filters import AMONG_FRAMES, Spelled

COUNTED = 20_000
"""Frames counted exactly; a larger total is a lower bound and says so."""

COUNTED_BY_LOOKING = 2_000
"""The same where each frame costs a look at its newest grade or job."""


@dataclass(frozen=True, slots=True)
class FrameFilter:
    """What a list is narrowed to; None narrows nothing."""

    observatory: str | None = None
    rig: str | None = None
    frame_type: FrameType | None = None
    filter: str | None = None
    """As it was asked for; ``filters`` has the names it is looked for by."""

    filters: Spelled | None = None
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


_PLACES = {
    "o": "JOIN observatory o ON o.id = f.observatory_id",
    "r": "LEFT JOIN rig r ON r.id = f.rig_id",
    "q": "LEFT JOIN frame_quality q ON q.frame_id = f.id",
    "s": "LEFT JOIN frame_solution s ON s.frame_id = f.id",
    "g": """LEFT JOIN LATERAL (
        SELECT letter, status, reasons FROM frame_grade g WHERE g.frame_id = f.id
        ORDER BY (graded_by IS NOT NULL) DESC, id DESC LIMIT 1
    ) g ON true""",
    "j": """LEFT JOIN LATERAL (
        SELECT id, state FROM job j WHERE j.frame_id = f.id ORDER BY created_at DESC, id DESC LIMIT 1
    ) j ON true""",
}
"""What a frame is joined with: all of it for the frames of a page, otherwise only what narrows the list."""

_TARGETS = """(f.observatory_id, f.target) IN (
    SELECT o.id, known.target FROM observatory o, LATERAL (
        WITH RECURSIVE named (target) AS (
            (SELECT n.target FROM frame n WHERE n.observatory_id = o.id ORDER BY n.target LIMIT 1)
            UNION ALL
            SELECT (
                SELECT n.target FROM frame n WHERE n.observatory_id = o.id AND n.target > named.target
                ORDER BY n.target LIMIT 1
            ) FROM named WHERE named.target IS NOT NULL
        )
        SELECT target FROM named
    ) known
    WHERE known.target ILIKE '%' || {} || '%'
)"""
"""Leaps from one distinct name to the next: behind row-level security no index serves a part of a name."""

_NARROWING = {
    "observatory": ("o", "o.slug = {}"),
    "rig": ("r", "r.name = {}"),
    "frame_type": ("", "f.frame_type = {}"),
    "target": ("", _TARGETS),
    "night": ("", "f.night = {}"),
    "state": ("", "f.state = {}"),
    "status": ("j", "j.state = {}"),
    "grade": ("g", "g.status = {}"),
    "exptime_min": ("", "f.exposure_s >= {}"),
    "exptime_max": ("", "f.exposure_s <= {}"),
}

_NEAR = """s.dec_deg BETWEEN {dec} - {radius} AND {dec} + {radius} AND
    2 * asind(least(1, sqrt(
        power(sind((s.dec_deg - {dec}) / 2), 2)
        + cosd(s.dec_deg) * cosd({dec}) * power(sind((s.ra_deg - {ra}) / 2), 2)
    ))) <= {radius}"""

_OF_FRAME = (
    "id", "sha256", "name", "size", "state", "reason", "message", "received_at", "frame_type", "is_master", "filter",
    "exposure_s", "gain_setting", "ccd_temp_c", "target", "start_utc", "night",
)  # fmt: skip
"""Columns of a frame a list shows; header and description stay where they are."""

_COLUMNS = f"""
    SELECT {", ".join(f"f.{name}" for name in _OF_FRAME)}, o.slug AS observatory, r.name AS rig, q.star_count,
        q.fwhm_px, q.hfr_px, q.eccentricity, q.background_adu, s.ra_deg, s.dec_deg, s.scale_arcsec, s.pa_deg, g.letter,
        g.status AS grade, g.reasons AS grade_reasons, j.id AS job_id, j.state AS status
"""
_ALL_PLACES = " ".join(_PLACES.values())


class _Narrowed:
    """The part of a query that says which frames are meant."""

    def __init__(self, observatories: list[UUID] | None, wanted: FrameFilter) -> None:
        self.values: list[object] = []
        self._places: list[str] = []
        self._conditions = ["true"]
        if observatories is not None and len(observatories) == 1:
            self.where("f.observatory_id = {}", observatories[0])
        elif observatories is not None:
            self.where("f.observatory_id = ANY({}::uuid[])", observatories)
        for name, (place, condition) in _NARROWING.items():
            value = getattr(wanted, name)
            if value is not None:
                self._places += [place] if place else []
                self.where(condition, _text(value))
        if wanted.filters is not None:
            self.where(AMONG_FRAMES, *map(list, astuple(wanted.filters)))
        if wanted.radius_deg is not None:
            self._places.append("s")
            places = {name: self.value(getattr(wanted, f"{name}_deg")) for name in ("ra", "dec", "radius")}
            self._conditions.append(_NEAR.format(**{k: f"{v}::double precision" for k, v in places.items()}))

    def value(self, value: object) -> str:
        """Add a parameter and return its place."""
        self.values.append(value)
        return f"${len(self.values)}"

    def where(self, condition: str, *values: object) -> None:
        """Add a condition on parameters."""
        self._conditions.append(condition.format(*(self.value(value) for value in values)))

    @property
    def looks_up(self) -> bool:
        """Whether every frame costs a look at its newest grade or job."""
        return bool({"g", "j"} & set(self._places))

    def __str__(self) -> str:
        places = " ".join(_PLACES[name] for name in self._places)
        return f"FROM frame f {places} WHERE {' AND '.join(self._conditions)}"


async def frames(
    db: Connection, observatories: list[UUID] | None, wanted: FrameFilter, *,
    limit: int = 50, offset: int = 0, after: tuple[datetime, UUID] | None = None,
) -> Listed:  # fmt: skip
    """Return frames, newest arrival first: a page, or those after a cursor (arrival and id of the last one seen)."""
    narrowed = _Narrowed(observatories, wanted)
    most = COUNTED_BY_LOOKING if narrowed.looks_up else COUNTED
    total: int = await db.fetchval(
        f"SELECT count(*) FROM (SELECT 1 {narrowed} LIMIT {most + 1}) AS counted",  # noqa: S608 - constants
        *narrowed.values,
    )
    if after is not None:
        narrowed.where("(f.received_at, f.id) < ({}::timestamptz, {}::uuid)", *after)
    page = f"LIMIT {int(limit)} OFFSET {0 if after else int(offset)}"
    rows = await db.fetch(
        f"""
        WITH picked AS MATERIALIZED (SELECT f.id {narrowed} ORDER BY f.received_at DESC, f.id DESC {page})
        {_COLUMNS} FROM picked p JOIN frame f ON f.id = p.id {_ALL_PLACES} ORDER BY f.received_at DESC, f.id DESC
        """,  # noqa: S608 - constants and numbers
        *narrowed.values,
    )
    return Listed([_row(row) for row in rows], min(total, most), total > most)


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
    row = await db.fetchrow(f"{_COLUMNS} FROM frame f {_ALL_PLACES} WHERE f.id = $1", frame_id)
    return _row(row)
