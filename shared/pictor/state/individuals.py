"""Individual calibration frames as groups are decided about: few columns of many rows, and why one is never stacked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pictor.contracts.frames import FrameType
from pictor.state.database import Connection

INDIVIDUAL = "f.state = 'registered' AND f.frame_type IN ('dark', 'flat', 'bias', 'flat-dark')"

JUDGED_AT_ONCE = 20_000
"""Frames judged in one transaction; more wait for the next decision."""


@dataclass(frozen=True, slots=True)
class Unjudged:
    """What the admission of one frame asks."""

    id: UUID
    frame_type: FrameType
    is_master: bool
    exposure_s: float | None
    set_temp_c: float | None
    ccd_temp_c: float | None
    egain: float | None
    read_noise_e: float | None
    combined: int | None
    real_valued: bool
    measured: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Alike:
    """Frames of a camera mode that state the same values, newest first."""

    frame_type: FrameType
    filter: str | None
    exposure_s: float | None
    rotator_deg: float | None
    temp_c: float | None
    unlike: bool
    ids: Sequence[UUID]
    starts: Sequence[datetime]


@dataclass(frozen=True, slots=True)
class Measured:
    """What ingest measured of one frame."""

    id: UUID
    exposure_s: float | None
    statistics: dict[str, Any]


async def unjudged(db: Connection, observatory_id: UUID, camera_mode: str) -> list[Unjudged]:
    """Return the frames of a camera mode nobody has judged yet."""
    rows = await db.fetch(
        f"""
        SELECT f.id, f.frame_type, f.is_master, f.exposure_s, f.set_temp_c, f.ccd_temp_c,
            coalesce(r.egain, f.egain) AS egain, r.read_noise_e, f.n_combined AS combined,
            coalesce((f.geometry->>'bitpix')::integer < 0, false) AS real_valued,
            coalesce(f.statistics, '{{}}') AS measured
        FROM frame f LEFT JOIN rig r ON r.id = f.rig_id
        WHERE f.observatory_id = $1 AND f.camera_mode = $2 AND f.not_stacked IS NULL AND {INDIVIDUAL} LIMIT $3
        """,  # noqa: S608 - a constant of this module
        observatory_id, camera_mode, JUDGED_AT_ONCE,
    )  # fmt: skip
    names = Unjudged.__dataclass_fields__
    return [Unjudged(**{n: row[n] for n in names} | {"frame_type": FrameType(row["frame_type"])}) for row in rows]


async def judge(db: Connection, verdicts: Mapping[UUID, Sequence[str]]) -> None:
    """Record why frames are never stacked; no sentence means that a frame is admitted."""
    await db.executemany(
        "UPDATE frame SET not_stacked = $2 WHERE id = $1", [(frame, list(told)) for frame, told in verdicts.items()]
    )


async def admit(db: Connection, frame_ids: Sequence[UUID]) -> None:
    """Record of many frames at once that they are admitted."""
    await db.execute("UPDATE frame SET not_stacked = '{}' WHERE id = ANY($1)", list(frame_ids))


async def refuse(db: Connection, frame_id: UUID, sentence: str) -> None:
    """Record what a stack found out about a frame; its group is decided about anew."""
    await db.execute(
        """
        UPDATE frame SET not_stacked = array_append(coalesce(not_stacked, '{}'), $2)
        WHERE id = $1 AND NOT coalesce(not_stacked, '{}') @> ARRAY[$2]
        """,
        frame_id, sentence,
    )  # fmt: skip
    await db.execute(
        """
        UPDATE calibration_mode m SET changed_at = clock_timestamp() FROM frame f
        WHERE f.id = $1 AND m.observatory_id = f.observatory_id AND m.camera_mode = f.camera_mode
        """,
        frame_id,
    )


async def forget_flats(db: Connection, observatory_id: UUID, camera_mode: str) -> None:
    """Let flats no active master holds be judged anew: the level below their light has become known."""
    await db.execute(
        """
        UPDATE frame SET not_stacked = NULL WHERE observatory_id = $1 AND camera_mode = $2 AND frame_type = 'flat'
            AND state = 'registered' AND mastered_by IS NULL AND not_stacked IS NOT NULL
        """,
        observatory_id, camera_mode,
    )  # fmt: skip


async def admitted(db: Connection, observatory_id: UUID, camera_mode: str, *, among: str, most: int) -> list[Alike]:
    """Return the frames of a camera mode that may be stacked, at most so many of each kind, the newest.

    Those only refused for being unlike their group, with sentences that begin with ``among``, are there as well.
    """
    rows = await db.fetch(
        f"""
        WITH one AS (
            SELECT f.id, f.frame_type, CASE WHEN f.frame_type = 'flat' THEN f.filter END AS filter, f.exposure_s,
                CASE WHEN f.frame_type = 'flat' THEN f.rotator_deg END AS rotator_deg,
                coalesce(f.set_temp_c, f.ccd_temp_c) AS temp_c, f.not_stacked <> '{{}}' AS unlike,
                coalesce(f.start_utc, f.received_at) AS start
            FROM frame f WHERE f.observatory_id = $1 AND f.camera_mode = $2 AND {INDIVIDUAL} AND NOT f.is_master
                AND (f.not_stacked = '{{}}' OR (cardinality(f.not_stacked) = 1 AND starts_with(f.not_stacked[1], $3)))
        ), placed AS (
            SELECT one.*, row_number() OVER (
                PARTITION BY frame_type, filter, exposure_s, rotator_deg, temp_c, unlike ORDER BY start DESC, id
            ) AS place FROM one
        )
        SELECT frame_type, filter, exposure_s, rotator_deg, temp_c, unlike, array_agg(id ORDER BY place) AS ids,
            array_agg(start ORDER BY place) AS starts
        FROM placed WHERE place <= $4
        GROUP BY 1, 2, 3, 4, 5, 6
        """,  # noqa: S608 - a constant of this module
        observatory_id, camera_mode, among, most,
    )  # fmt: skip
    names = Alike.__dataclass_fields__
    return [Alike(**{n: row[n] for n in names} | {"frame_type": FrameType(row["frame_type"])}) for row in rows]


async def mode_of(db: Connection, observatory_id: UUID, camera_mode: str) -> dict[str, Any]:
    """Return what the frames of a camera mode have in common, from one of them."""
    row = await db.fetchrow(
        """
        SELECT coalesce(rig_id::text, camera) AS rig_id, width, height, binning_x, binning_y, gain_setting,
            offset_setting, readout_mode, bayer, roi_x, roi_y
        FROM frame WHERE observatory_id = $1 AND camera_mode = $2 AND frame_type <> 'light' LIMIT 1
        """,
        observatory_id, camera_mode,
    )  # fmt: skip
    return {} if row is None else dict(row)


async def measured(db: Connection, frame_ids: Sequence[UUID]) -> list[Measured]:
    """Return what was measured of some frames."""
    rows = await db.fetch(
        """
        SELECT id, exposure_s, coalesce(statistics, '{}') AS statistics FROM frame WHERE id = ANY($1)
        ORDER BY start_utc, id
        """,
        list(frame_ids),
    )
    return [Measured(row["id"], row["exposure_s"], row["statistics"]) for row in rows]


async def light_near(
    db: Connection, observatory_id: UUID, camera_mode: str, *, exposures: tuple[float, float],
    times: tuple[datetime, datetime],
) -> tuple[float, datetime] | None:  # fmt: skip
    """Return exposure and start of a light of a camera mode with such an exposure in such a time, if there is one."""
    row = await db.fetchrow(
        """
        SELECT exposure_s, start_utc FROM frame WHERE observatory_id = $1 AND camera_mode = $2
            AND frame_type = 'light' AND exposure_s BETWEEN $3 AND $4 AND start_utc BETWEEN $5 AND $6 LIMIT 1
        """,
        observatory_id, camera_mode, *exposures, *times,
    )  # fmt: skip
    return None if row is None else (row["exposure_s"], row["start_utc"])
