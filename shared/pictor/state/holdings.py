"""What the calibration library of an observatory holds, counted by camera and configuration."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pictor.contracts.frames import FrameType
from pictor.state.calibrations import INDIVIDUAL, MaxAges, expired_by
from pictor.state.database import Connection


@dataclass(frozen=True, slots=True)
class Configuration:
    """What frames of one kind have in common; exposure for darks only, filter for flats only."""

    frame_type: FrameType
    camera_name: str | None
    filter: str | None
    exposure_s: float | None
    gain_setting: float | None
    offset_setting: float | None
    binning_x: int | None
    set_temp_c: float | None


@dataclass(frozen=True, slots=True)
class FrameCount:
    """How many individual frames one configuration has, and what became of them."""

    configuration: Configuration
    frames: int
    unmastered: int
    not_admitted: int
    newest_at: datetime | None


@dataclass(frozen=True, slots=True)
class MasterCount:
    """One usable master and the configuration it is of."""

    id: UUID
    configuration: Configuration
    group_key: str
    ncombine: int
    taken_at: datetime
    expires_at: datetime
    expired: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A reason that keeps frames out of stacks, its numbers left out, how often, and one of its sentences."""

    reason: str
    frames: int
    example: str


_KEYS = ("frame_type", "camera_name", "filter", "exposure_s", "gain_setting", "offset_setting", "binning_x",
         "set_temp_c")  # fmt: skip


async def frames_by_configuration(db: Connection, observatory_id: UUID) -> list[FrameCount]:
    """Count an observatory's individual frames by configuration."""
    rows = await db.fetch(
        f"""
        SELECT f.frame_type, f.camera AS camera_name, CASE f.frame_type WHEN 'flat' THEN f.filter END AS filter,
            CASE WHEN f.frame_type IN ('dark', 'flat-dark') THEN round(f.exposure_s::numeric, 3)::float8 END
                AS exposure_s,
            f.gain_setting, f.offset_setting, f.binning_x,
            round(coalesce(f.set_temp_c, f.ccd_temp_c)::numeric)::float8 AS set_temp_c,
            count(*) AS frames, count(*) FILTER (WHERE f.mastered_by IS NULL) AS unmastered,
            count(*) FILTER (WHERE f.is_master OR f.not_stacked <> '{{}}') AS not_admitted,
            max(coalesce(f.start_utc, f.received_at)) AS newest_at
        FROM frame f WHERE f.observatory_id = $1 AND {INDIVIDUAL}
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
        """,  # noqa: S608 - a constant
        observatory_id,
    )
    return [
        FrameCount(_configuration(row), row["frames"], row["unmastered"], row["not_admitted"], row["newest_at"])
        for row in rows
    ]


async def active_masters(db: Connection, observatory_id: UUID, ages: MaxAges) -> list[MasterCount]:
    """Return an observatory's active masters with age and expiry, newest first."""
    rule = expired_by(ages)
    rows = await db.fetch(
        f"""
        SELECT m.id, m.frame_type, m.camera_name, CASE m.frame_type WHEN 'flat' THEN m.filter END AS filter,
            CASE WHEN m.frame_type IN ('dark', 'flat-dark') THEN m.exposure_s END AS exposure_s, m.gain_setting,
            m.offset_setting, m.binning_x, m.temp_c AS set_temp_c, m.group_key, m.ncombine,
            coalesce(m.taken_at, m.created_at) AS taken_at,
            m.aged_from + {rule.max_age} AS expires_at, {rule.expired} AS expired
        FROM master m WHERE m.observatory_id = $1 AND m.state = 'active' ORDER BY taken_at DESC, m.id
        """,  # noqa: S608 - constants and numbers
        observatory_id,
    )
    return [
        MasterCount(row["id"], _configuration(row), row["group_key"], row["ncombine"], row["taken_at"],
                    row["expires_at"], row["expired"])
        for row in rows
    ]  # fmt: skip


def _configuration(row: object) -> Configuration:
    values = {name: row[name] for name in _KEYS}  # type: ignore[index]
    return Configuration(**values | {"frame_type": FrameType(values["frame_type"])})


async def masters_by_state(db: Connection, observatory_id: UUID) -> dict[str, int]:
    """Count an observatory's masters by state."""
    rows = await db.fetch(
        "SELECT state, count(*) AS number FROM master WHERE observatory_id = $1 GROUP BY state", observatory_id
    )
    return {row["state"]: row["number"] for row in rows}


async def refused(db: Connection, observatory_id: UUID) -> list[Refused]:
    """Count why individual frames are never stacked, most frequent first."""
    rows = await db.fetch(
        f"""
        SELECT regexp_replace(sentence, '-?[0-9]+(\\.[0-9]+)?', '…', 'g') AS reason, count(*) AS frames,
            min(sentence) AS example
        FROM frame f, unnest(CASE WHEN f.is_master AND coalesce(f.not_stacked, '{{}}') = '{{}}'
            THEN ARRAY['the frame is itself a master'] ELSE f.not_stacked END) AS sentence
        WHERE f.observatory_id = $1 AND {INDIVIDUAL} AND (f.is_master OR f.not_stacked <> '{{}}')
        GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 50
        """,  # noqa: S608 - a constant
        observatory_id,
    )
    return [Refused(row["reason"], row["frames"], row["example"]) for row in rows]
