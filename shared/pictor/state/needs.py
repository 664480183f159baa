"""What an assessment of needs looks at, counted by the database: lights by night, individual frames, masters."""

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
"""What makes a camera mode, in the order of ``CameraMode``; equal columns are one mode."""

MODE_COLUMNS = 11

_TEMPERATURE = "coalesce(set_temp_c, round(ccd_temp_c * 2) / 2) AS temp_c"
"""Set points as they are; sensors without one in buckets of half a degree, for they drift all night."""

_TURNED = "CASE WHEN $2 THEN round(rotator_deg * 10) / 10 END AS rotator_deg"


@dataclass(frozen=True, slots=True)
class CountedLights:
    """Lights of one night with the same settings."""

    mode: tuple[Any, ...]
    night: date
    exposure_s: float | None
    filter: str | None
    rotator_deg: float | None
    temp_c: float | None
    count: int
    first_utc: datetime
    last_utc: datetime


@dataclass(frozen=True, slots=True)
class CountedFrames:
    """Individual calibration frames with the same settings."""

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


async def lights(db: Connection, observatory_id: UUID, since: date, *, rotated: bool) -> list[CountedLights]:
    """Count the lights since a night by night and settings; the rotation only where it matters."""
    keys = ", ".join(str(number) for number in range(1, MODE_COLUMNS + 6))
    rows = await db.fetch(
        f"""
        SELECT {_MODE}, night, exposure_s, filter, {_TURNED}, {_TEMPERATURE}, count(*) AS count,
            min(coalesce(start_utc, received_at)) AS first_utc, max(coalesce(start_utc, received_at)) AS last_utc
        FROM frame
        WHERE observatory_id = $1 AND night >= $3 AND frame_type = 'light' AND state = 'registered' AND NOT is_master
        GROUP BY {keys} ORDER BY night, first_utc
        """,  # noqa: S608 - constants of this module
        observatory_id, rotated, since,
    )  # fmt: skip
    return [
        CountedLights(
            _mode(row), row["night"], row["exposure_s"], row["filter"], row["rotator_deg"], row["temp_c"], row["count"],
            row["first_utc"], row["last_utc"],
        )
        for row in rows
    ]  # fmt: skip


async def frames(db: Connection, observatory_id: UUID, *, rotated: bool) -> list[CountedFrames]:
    """Count the individual calibration frames at hand by settings: those that may be stacked, and those refused."""
    keys = ", ".join(str(number) for number in range(1, MODE_COLUMNS + 6))
    rows = await db.fetch(
        f"""
        SELECT {_MODE}, frame_type, exposure_s, CASE frame_type WHEN 'flat' THEN filter END AS filter, {_TURNED},
            {_TEMPERATURE},
            count(*) FILTER (WHERE coalesce(not_stacked, '{{}}') = '{{}}') AS count,
            count(*) FILTER (WHERE coalesce(not_stacked, '{{}}') = '{{}}' AND mastered_by IS NULL) AS unused,
            count(*) FILTER (WHERE not_stacked <> '{{}}') AS refused,
            max(coalesce(start_utc, received_at)) AS newest_utc
        FROM frame
        WHERE observatory_id = $1 AND state = 'registered' AND NOT is_master
            AND frame_type IN ('dark', 'flat', 'bias', 'flat-dark')
        GROUP BY {keys} ORDER BY newest_utc
        """,  # noqa: S608 - constants of this module
        observatory_id, rotated,
    )  # fmt: skip
    return [
        CountedFrames(
            _mode(row), FrameType(row["frame_type"]), row["exposure_s"], row["filter"], row["rotator_deg"],
            row["temp_c"], row["count"], row["unused"], row["refused"], row["newest_utc"],
        )
        for row in rows
    ]  # fmt: skip


def _mode(row: Any) -> tuple[Any, ...]:  # noqa: ANN401 - an asyncpg record
    return tuple(row.values())[:MODE_COLUMNS]


async def masters(db: Connection, observatory_id: UUID) -> list[Master]:
    """Return all masters with pixels, without their policies and measurements."""
    rows = await db.fetch(
        """
        SELECT id, rig_id, state, frame_type, group_key, camera_mode, facts, ncombine, taken_at, created_at, camera_name
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
        )
        for row in rows
    ]  # fmt: skip
