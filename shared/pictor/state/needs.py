"""What an assessment of needs looks at, counted by the database: lights, individual frames, masters."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pictor.contracts.frames import FrameType
from pictor.contracts.masters import MasterState
from pictor.state.database import Connection
from pictor.state.masters import Master

_MODE = """
    coalesce(rig_id::text, camera, 'None') AS rig_id, width, height, binning_x, binning_y, gain_setting, offset_setting,
    readout_mode, bayer, roi_x, roi_y
"""
"""What makes a camera mode, in the order of ``CameraMode``."""

_TEMPERATURE = "coalesce(set_temp_c, round(ccd_temp_c * 2) / 2) AS temp_c"
"""Set points as they are; sensors without one in buckets of half a degree, for they drift all night."""

_TURNED = "CASE WHEN $2 THEN round(rotator_deg * 10) / 10 END AS rotator_deg"

_NIGHTLY = f"""
    SELECT camera_mode, exposure_s, filter, {_TURNED}, {_TEMPERATURE}, night, count(*)::int AS count,
        min(coalesce(start_utc, received_at)) AS first_utc, max(coalesce(start_utc, received_at)) AS last_utc,
        bool_or(set_temp_c IS NOT NULL) AS cooled
    FROM frame
    WHERE observatory_id = $1 AND night >= $3 AND frame_type = 'light' AND state = 'registered' AND NOT is_master
        AND NOT came_calibrated
    GROUP BY 1, 2, 3, 4, 5, 6
"""  # noqa: S608 - constants of this module

_BY_NIGHT = f"SELECT n.*, ARRAY[night] AS nights FROM ({_NIGHTLY}) AS n ORDER BY night, first_utc"  # noqa: S608

_TOGETHER = f"""
    SELECT camera_mode, exposure_s, filter, rotator_deg, temp_c, array_agg(night) AS nights, sum(count)::int AS count,
        min(first_utc) AS first_utc, max(last_utc) AS last_utc, bool_or(cooled) AS cooled
    FROM ({_NIGHTLY}) AS n GROUP BY 1, 2, 3, 4, 5 ORDER BY first_utc
"""  # noqa: S608

_INDIVIDUAL = f"""
    SELECT camera_mode, frame_type, exposure_s, CASE frame_type WHEN 'flat' THEN filter END AS filter, {_TURNED},
        {_TEMPERATURE}, max(coalesce(start_utc, received_at)) AS newest_utc, %s
    FROM frame
    WHERE observatory_id = $1 AND state = 'registered' AND NOT is_master AND frame_type <> 'light'
        AND frame_type IN ('dark', 'flat', 'bias', 'flat-dark') AND %s
    GROUP BY 1, 2, 3, 4, 5, 6
"""  # noqa: S608 - constants of this module

_AT_HAND = _INDIVIDUAL % (
    "count(*)::int AS count, count(*) FILTER (WHERE mastered_by IS NULL)::int AS unused, 0 AS refused",
    "coalesce(not_stacked, '{}') = '{}'",
)
_REFUSED = _INDIVIDUAL % ("0 AS count, 0 AS unused, count(*)::int AS refused", "not_stacked <> '{}'")


@dataclass(frozen=True, slots=True)
class CountedLights:
    """Lights with the same settings: of one night, or of all that were looked at.

    ``cooled`` tells that some state a set point.
    """

    mode: tuple[Any, ...]
    nights: tuple[date, ...]
    exposure_s: float | None
    filter: str | None
    rotator_deg: float | None
    temp_c: float | None
    count: int
    first_utc: datetime
    last_utc: datetime
    cooled: bool


@dataclass(frozen=True, slots=True)
class CountedFrames:
    """Individual calibration frames with the same settings: those that may be stacked, or those refused."""

    mode: tuple[Any, ...]
    frame_type: FrameType
    exposure_s: float | None
    filter: str | None
    rotator_deg: float | None
    temp_c: float | None
    count: int
    unused: int
    refused: int
    newest_utc: datetime


async def lights(
    db: Connection, observatory_id: UUID, since: date, *, rotated: bool, by_night: bool
) -> list[CountedLights]:  # fmt: skip
    """Count the lights since a night by settings, and by night where asked; the rotation only where it matters."""
    rows = await db.fetch(_BY_NIGHT if by_night else _TOGETHER, observatory_id, rotated, since)
    modes = await _modes(db, observatory_id, {row["camera_mode"] for row in rows}, lights=True)
    return [
        CountedLights(
            modes[row["camera_mode"]], tuple(sorted(row["nights"])), row["exposure_s"], row["filter"],
            row["rotator_deg"], row["temp_c"], row["count"], row["first_utc"], row["last_utc"], row["cooled"],
        )
        for row in rows
        if row["camera_mode"] in modes
    ]  # fmt: skip


async def frames(db: Connection, observatory_id: UUID, *, rotated: bool) -> list[CountedFrames]:
    """Count the individual calibration frames at hand by settings: those that may be stacked, and those refused."""
    rows = await db.fetch(f"{_AT_HAND} UNION ALL {_REFUSED} ORDER BY newest_utc", observatory_id, rotated)
    modes = await _modes(db, observatory_id, {row["camera_mode"] for row in rows}, lights=False)
    return [
        CountedFrames(
            modes[row["camera_mode"]], FrameType(row["frame_type"]), row["exposure_s"], row["filter"],
            row["rotator_deg"], row["temp_c"], row["count"], row["unused"], row["refused"], row["newest_utc"],
        )
        for row in rows
        if row["camera_mode"] in modes
    ]  # fmt: skip


async def _modes(
    db: Connection, observatory_id: UUID, keys: Iterable[str], *, lights: bool
) -> dict[str, tuple[Any, ...]]:  # fmt: skip
    """Return what camera modes are made of, as one frame of each says it: frames of one mode are equal in it."""
    rows = await db.fetch(
        f"""
        SELECT asked.mode, one.* FROM unnest($2::text[]) AS asked (mode), LATERAL (
            SELECT {_MODE} FROM frame
            WHERE observatory_id = $1 AND camera_mode = asked.mode AND frame_type {"=" if lights else "<>"} 'light'
                AND state = 'registered' AND NOT is_master
            LIMIT 1
        ) AS one
        """,  # noqa: S608 - constants of this module
        observatory_id, list(keys),
    )  # fmt: skip
    return {row["mode"]: tuple(row.values())[1:] for row in rows}


async def masters(db: Connection, observatory_id: UUID) -> list[Master]:
    """Return all masters with pixels, without their policies and measurements."""
    rows = await db.fetch(
        """
        SELECT id, rig_id, state, frame_type, group_key, camera_mode, facts, ncombine, taken_at, created_at,
            camera_name, first_at, last_at
        FROM master WHERE observatory_id = $1 AND state IN ('active', 'superseded') AND recalled_at IS NULL
        ORDER BY created_at
        """,
        observatory_id,
    )
    return [
        Master(
            id=row["id"], observatory_id=observatory_id, rig_id=row["rig_id"], job_id=None,
            state=MasterState(row["state"]), frame_type=FrameType(row["frame_type"]), group_key=row["group_key"],
            camera_mode=row["camera_mode"], facts=row["facts"], ncombine=row["ncombine"], policy={}, statistics={},
            reasons=(), taken_at=row["taken_at"], created_at=row["created_at"], camera_name=row["camera_name"],
            first_at=row["first_at"], last_at=row["last_at"],
        )
        for row in rows
    ]  # fmt: skip
