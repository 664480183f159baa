"""The calibration library as lists: masters and the individual frames they are made of."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pictor.contracts.frames import FrameType
from pictor.state.database import Connection


@dataclass(frozen=True, slots=True)
class LibraryFilter:
    """What the library is narrowed to; None narrows nothing."""

    is_master: bool | None = None
    exclude_mastered: bool = False
    frame_type: FrameType | None = None
    camera_name: str | None = None
    filter: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class LibraryRow:
    """A master or an individual calibration frame."""

    id: UUID
    is_master: bool
    frame_type: FrameType
    status: str
    name: str
    camera_name: str | None
    filter: str | None
    exposure_s: float | None
    gain_setting: float | None
    offset_setting: float | None
    binning_x: int | None
    set_temp_c: float | None
    ncombine: int | None
    group_key: str | None
    taken_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ConfigurationCount:
    """How many frames and masters one configuration has."""

    frame_type: FrameType
    camera_name: str | None
    filter: str | None
    exposure_s: float | None
    gain_setting: float | None
    offset_setting: float | None
    binning_x: int | None
    set_temp_c: float | None
    individual_frames: int
    unmastered_frames: int


_LIBRARY = """
    FROM (
        SELECT m.id, true AS is_master, m.frame_type, m.state AS status, m.group_key AS name,
            f.camera AS camera_name, f.filter, f.exposure_s, f.gain_setting, f.offset_setting, f.binning_x,
            f.set_temp_c, m.ncombine, m.group_key, m.taken_at, m.created_at, false AS mastered
        FROM master m LEFT JOIN LATERAL (
            SELECT f.* FROM master_component c JOIN frame f ON f.id = c.frame_id WHERE c.master_id = m.id LIMIT 1
        ) f ON true
        WHERE m.observatory_id = $1
        UNION ALL
        SELECT f.id, false, f.frame_type, 'active', f.name, f.camera, f.filter, f.exposure_s, f.gain_setting,
            f.offset_setting, f.binning_x, f.set_temp_c, f.n_combined, NULL, f.start_utc, f.received_at,
            EXISTS (
                SELECT FROM master_component c JOIN master m ON m.id = c.master_id
                WHERE c.frame_id = f.id AND m.state = 'active'
            )
        FROM frame f WHERE f.observatory_id = $1 AND f.state = 'registered' AND NOT f.is_master
            AND f.frame_type IN ('dark', 'flat', 'bias', 'flat-dark')
    ) AS entry
    WHERE ($2::boolean IS NULL OR is_master = $2) AND NOT ($3 AND mastered)
        AND ($4::text IS NULL OR frame_type = $4) AND ($5::text IS NULL OR camera_name = $5)
        AND ($6::text IS NULL OR filter = $6) AND ($7::text IS NULL OR status = $7)
"""


async def library(
    db: Connection, observatory_id: UUID, wanted: LibraryFilter, *, limit: int, offset: int
) -> tuple[list[LibraryRow], int]:
    """Return one page of an observatory's library, newest first, and how many entries there are."""
    kind = None if wanted.frame_type is None else str(wanted.frame_type)
    values = (
        observatory_id, wanted.is_master, wanted.exclude_mastered, kind, wanted.camera_name, wanted.filter,
        wanted.status,
    )  # fmt: skip
    rows = await db.fetch(
        f"SELECT * {_LIBRARY} ORDER BY created_at DESC, id LIMIT $8 OFFSET $9",
        *values, limit, offset,
    )  # fmt: skip
    total: int = await db.fetchval(f"SELECT count(*) {_LIBRARY}", *values)
    return [_entry(row) for row in rows], total


def _entry(row: Any) -> LibraryRow:  # noqa: ANN401 - an asyncpg record
    values = {name: row[name] for name in LibraryRow.__dataclass_fields__}
    return LibraryRow(**values | {"frame_type": FrameType(row["frame_type"])})


async def configurations(db: Connection, observatory_id: UUID) -> list[ConfigurationCount]:
    """Count an observatory's individual calibration frames by configuration."""
    rows = await db.fetch(
        """
        SELECT f.frame_type, f.camera AS camera_name, f.filter, f.exposure_s, f.gain_setting, f.offset_setting,
            f.binning_x, f.set_temp_c, count(*) AS individual_frames,
            count(*) FILTER (WHERE NOT EXISTS (
                SELECT FROM master_component c JOIN master m ON m.id = c.master_id
                WHERE c.frame_id = f.id AND m.state = 'active'
            )) AS unmastered_frames
        FROM frame f WHERE f.observatory_id = $1 AND f.state = 'registered' AND NOT f.is_master
            AND f.frame_type IN ('dark', 'flat', 'bias', 'flat-dark')
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
        """,
        observatory_id,
    )
    return [
        ConfigurationCount(
            **{name: row[name] for name in ConfigurationCount.__dataclass_fields__}
            | {"frame_type": FrameType(row["frame_type"])}
        )
        for row in rows
    ]


async def master_counts(db: Connection, observatory_id: UUID) -> dict[str, int]:
    """Count an observatory's masters by state."""
    rows = await db.fetch(
        "SELECT state, count(*) AS number FROM master WHERE observatory_id = $1 GROUP BY state", observatory_id
    )
    return {row["state"]: row["number"] for row in rows}
