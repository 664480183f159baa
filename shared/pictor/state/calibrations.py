"""The calibration library as lists: masters and the individual frames they are made of.

Pages are picked from indexes alone, masters and frames apart, and only what is shown is looked up: a library of a
million frames answers as fast as a small one.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pictor.contracts.frames import FrameType
from pictor.state.database import Connection
from pictor.state.filters import AMONG_FRAMES, AMONG_MASTERS, Spelled

COUNTED = 20_000
"""Entries counted exactly; a larger total is a lower bound and says so."""


@dataclass(frozen=True, slots=True)
class MaxAges:
    """Days after which masters count as expired, by the policy of the moment."""

    dark: int
    flat: int
    bias: int


@dataclass(frozen=True, slots=True)
class ExpiryRule:
    """How long a master ``m`` may be used without a warning, and whether that is over, in SQL."""

    max_age: str
    expired: str


def expired_by(ages: MaxAges) -> ExpiryRule:
    """Write the rule for some ages; age counts from the newest frame, a warning given is no matter."""
    days = f"CASE m.frame_type WHEN 'flat' THEN {int(ages.flat)} WHEN 'bias' THEN {int(ages.bias)}"
    max_age = f"{days} ELSE {int(ages.dark)} END * interval '1 day'"
    return ExpiryRule(max_age, f"(m.aged_from + {max_age} < now())")


UNAGED = MaxAges(1_000_000, 1_000_000, 1_000_000)
"""Nothing expires by its age alone."""


@dataclass(frozen=True, slots=True)
class LibraryFilter:
    """What the library is narrowed to; None narrows nothing. The status ``expired`` is active and over its age."""

    is_master: bool | None = None
    exclude_mastered: bool = False
    frame_type: FrameType | None = None
    camera_name: str | None = None
    filters: Spelled | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class LibraryRow:
    """A master or an individual calibration frame."""

    id: UUID
    observatory_id: UUID
    is_master: bool
    frame_type: FrameType
    status: str
    expired: bool
    expires_at: datetime | None
    name: str
    rig: str | None
    camera_name: str | None
    camera_mode: str | None
    filter: str | None
    exposure_s: float | None
    gain_setting: float | None
    offset_setting: float | None
    binning_x: int | None
    set_temp_c: float | None
    rotator_deg: float | None
    ncombine: int | None
    group_key: str | None
    origin: str | None
    reasons: tuple[str, ...]
    mastered_by: UUID | None
    not_stacked: tuple[str, ...] | None
    taken_at: datetime | None
    aged_from: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Picked:
    """One page of the library, and what there is beyond it."""

    rows: list[LibraryRow]
    total: int
    total_estimated: bool


class _Narrowed:
    """Which rows of one table are meant: its name, when a row came, conditions and parameters."""

    def __init__(self, source: str, at: str) -> None:
        self.at = at
        self._source = source
        self.values: list[object] = []
        self.conditions: list[str] = []

    def value(self, value: object) -> str:
        """Add a parameter and return its place."""
        self.values.append(value)
        return f"${len(self.values)}"

    def where(self, condition: str, *values: object) -> None:
        """Add a condition; parameters that are None add nothing."""
        if None not in values:
            self.conditions.append(condition.format(*(self.value(value) for value in values)))

    def __str__(self) -> str:
        return f"FROM {self._source} WHERE {' AND '.join(self.conditions)}"


INDIVIDUAL = "f.state = 'registered' AND f.frame_type IN ('dark', 'flat', 'bias', 'flat-dark')"
"""Condition of the partial indexes of individual frames: what the library lists of them."""


def _masters(observatory_id: UUID, wanted: LibraryFilter, ages: MaxAges) -> _Narrowed:
    found = _Narrowed("master m", "m.created_at")
    found.where("m.observatory_id = {}", observatory_id)
    found.where("m.frame_type = {}", _text(wanted.frame_type))
    found.where("m.camera_name = {}", wanted.camera_name)
    if wanted.filters is not None:
        found.where(AMONG_MASTERS, *map(list, astuple(wanted.filters)))
    if wanted.status == "expired":
        found.conditions.append("m.state = 'active'")
        found.conditions.append(expired_by(ages).expired)
    else:
        found.where("m.state = {}", wanted.status)
    return found


def _frames(observatory_id: UUID, wanted: LibraryFilter) -> _Narrowed:
    found = _Narrowed("frame f", "f.received_at")
    found.conditions.append(INDIVIDUAL)
    found.where("f.observatory_id = {}", observatory_id)
    found.where("f.frame_type = {}", _text(wanted.frame_type))
    found.where("f.camera = {}", wanted.camera_name)
    if wanted.filters is not None:
        found.where(AMONG_FRAMES, *map(list, astuple(wanted.filters)))
    if wanted.exclude_mastered:
        found.conditions.append("f.mastered_by IS NULL")
    return found


def _text(value: FrameType | None) -> str | None:
    return None if value is None else str(value)


async def browse(
    db: Connection, observatory_id: UUID, wanted: LibraryFilter, ages: MaxAges, *, limit: int, offset: int
) -> Picked:
    """Return one page of an observatory's library, newest first; large totals are lower bounds."""
    places: list[tuple[_Narrowed, bool]] = []
    if wanted.is_master is not False:
        places.append((_masters(observatory_id, wanted, ages), True))
    if wanted.is_master is not True and wanted.status in {None, "active"}:
        places.append((_frames(observatory_id, wanted), False))
    ids: list[tuple[datetime, UUID, bool]] = []
    total, end = 0, limit + offset
    for where, is_master in places:
        newest = await _newest(db, where, end)
        ids += [(at, found, is_master) for at, found in newest]
        total += len(newest) if len(newest) < end else await _count(db, where)
    page = sorted(ids, key=lambda one: (-one[0].timestamp(), one[1]))[offset:end]
    masters, frames = ([one for _, one, kind in page if kind is wanted_kind] for wanted_kind in (True, False))
    known = await entries(db, masters, frames, ages)
    return Picked([known[one] for _, one, _ in page if one in known], min(total, COUNTED), total > COUNTED)


async def _newest(db: Connection, where: _Narrowed, end: int) -> list[tuple[datetime, UUID]]:
    rows = await db.fetch(
        f"SELECT {where.at} AS at, id {where} ORDER BY {where.at} DESC, id LIMIT {int(end)}",
        *where.values,
    )
    return [(row["at"], row["id"]) for row in rows]


async def _count(db: Connection, where: _Narrowed) -> int:
    number: int = await db.fetchval(
        f"SELECT count(*) FROM (SELECT 1 {where} LIMIT {COUNTED + 1}) AS counted",  # noqa: S608 - constants
        *where.values,
    )
    return number


_OF_MASTER = """
    SELECT m.id, m.observatory_id, true AS is_master, m.frame_type, m.state AS status,
        m.state = 'active' AND {expired} AS expired,
        CASE WHEN m.state = 'active' THEN m.aged_from + {max_age} END AS expires_at,
        m.group_key AS name, r.name AS rig, m.camera_name, m.camera_mode, m.filter, m.exposure_s, m.gain_setting,
        m.offset_setting, m.binning_x, m.temp_c AS set_temp_c, m.rotator_deg, m.ncombine, m.group_key, m.origin,
        m.reasons, NULL::uuid AS mastered_by, NULL::text[] AS not_stacked, m.taken_at, m.aged_from, m.created_at
    FROM master m LEFT JOIN rig r ON r.id = m.rig_id WHERE m.id = ANY($1)
"""
_OF_FRAME = """
    SELECT f.id, f.observatory_id, false AS is_master, f.frame_type, 'active' AS status, false AS expired,
        NULL::timestamptz AS expires_at, f.name, r.name AS rig, f.camera AS camera_name, f.camera_mode, f.filter,
        f.exposure_s, f.gain_setting, f.offset_setting, f.binning_x, coalesce(f.set_temp_c, f.ccd_temp_c) AS set_temp_c,
        f.rotator_deg, f.n_combined AS ncombine, NULL AS group_key, NULL AS origin, '{}'::text[] AS reasons,
        f.mastered_by, CASE WHEN f.is_master AND coalesce(f.not_stacked, '{}') = '{}'
            THEN ARRAY['the frame is itself a master'] ELSE f.not_stacked END AS not_stacked,
        f.start_utc AS taken_at, coalesce(f.start_utc, f.received_at) AS aged_from, f.received_at AS created_at
    FROM frame f LEFT JOIN rig r ON r.id = f.rig_id WHERE f.id = ANY($1)
        AND f.frame_type IN ('dark', 'flat', 'bias', 'flat-dark')
"""


async def entries(
    db: Connection, masters: list[UUID], frames: list[UUID], ages: MaxAges
) -> Mapping[UUID, LibraryRow]:  # fmt: skip
    """Return masters and individual frames as the library lists them, by id."""
    rows: list[Any] = []
    if masters:
        rule = expired_by(ages)
        rows += await db.fetch(_OF_MASTER.format(expired=rule.expired, max_age=rule.max_age), masters)
    if frames:
        rows += await db.fetch(_OF_FRAME, frames)
    return {row["id"]: _entry(row) for row in rows}


def _entry(row: Any) -> LibraryRow:  # noqa: ANN401 - an asyncpg record
    values = {name: row[name] for name in LibraryRow.__dataclass_fields__}
    values["frame_type"] = FrameType(row["frame_type"])
    values["reasons"] = tuple(row["reasons"])
    values["not_stacked"] = None if row["not_stacked"] is None else tuple(row["not_stacked"])
    return LibraryRow(**values)


async def place_of(db: Connection, entry_id: UUID) -> UUID | None:
    """Return the observatory of a master or an individual calibration frame; None if there is no such entry."""
    found: UUID | None = await db.fetchval(
        """
        SELECT observatory_id FROM master WHERE id = $1
        UNION ALL SELECT observatory_id FROM frame
        WHERE id = $1 AND frame_type IN ('dark', 'flat', 'bias', 'flat-dark')
        """,
        entry_id,
    )
    return found
