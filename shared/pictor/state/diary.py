"""The detector diary: what the masters of a rig measured of its camera, over time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pictor.state.database import Connection


@dataclass(frozen=True, slots=True)
class Reading:
    """One measurement of one master; temperature in degrees Celsius."""

    kind: str
    value: float | None
    unit: str


@dataclass(frozen=True, slots=True)
class DatedReading:
    """A reading with the master it comes from."""

    master_id: UUID
    rig_id: UUID | None
    rig: str | None
    camera_name: str | None
    camera_mode: str
    gain_setting: float | None
    offset_setting: float | None
    binning_x: int | None
    kind: str
    unit: str
    taken_at: datetime
    value: float
    temp_c: float | None
    exposure_s: float | None
    superseded: bool


@dataclass(frozen=True, slots=True)
class RejectedMaster:
    """A master that was refused, recalled or waits for a person: its readings are left out."""

    id: UUID
    rig_id: UUID | None
    camera_mode: str
    frame_type: str
    taken_at: datetime
    state: str
    reasons: tuple[str, ...]


async def save(db: Connection, master_id: UUID, readings: Sequence[Reading]) -> None:
    """Record what a master measured; temperature, exposure and time are the master's."""
    await db.executemany(
        """
        INSERT INTO detector_reading (master_id, kind, observatory_id, rig_id, camera_mode, taken_at, value, unit,
            temp_c, exposure_s, camera_name, gain_setting, binning_x)
        SELECT id, $2, observatory_id, rig_id, camera_mode, coalesce(taken_at, created_at), $3, $4, temp_c, exposure_s,
            camera_name, gain_setting, binning_x
        FROM master WHERE id = $1
        ON CONFLICT (master_id, kind) DO UPDATE SET value = excluded.value, unit = excluded.unit
        """,
        [(master_id, one.kind, one.value, one.unit) for one in readings if one.value is not None],
    )


async def readings(
    db: Connection, observatory_id: UUID, *,
    rig_id: UUID | None = None, kind: str | None = None, since: datetime | None = None, limit: int = 5000,
) -> list[DatedReading]:  # fmt: skip
    """Return the newest readings of masters that were used, in order of series and time.

    A reading without a master is of one that retention deleted; a person who deletes a master deletes its readings.
    """
    rows = await db.fetch(
        """
        SELECT * FROM (
            SELECT d.master_id, d.rig_id, r.name AS rig, d.camera_name, d.camera_mode, d.gain_setting,
                m.offset_setting, d.binning_x, d.kind, d.unit, d.taken_at, d.value, d.temp_c, d.exposure_s,
                m.state IS DISTINCT FROM 'active' AS superseded
            FROM detector_reading d LEFT JOIN master m ON m.id = d.master_id LEFT JOIN rig r ON r.id = d.rig_id
            WHERE d.observatory_id = $1 AND (m.id IS NULL OR m.state IN ('active', 'superseded'))
                AND ($2::uuid IS NULL OR d.rig_id = $2)
                AND ($3::text IS NULL OR d.kind = $3) AND ($4::timestamptz IS NULL OR d.taken_at >= $4)
            ORDER BY d.taken_at DESC LIMIT $5
        ) AS newest ORDER BY rig, camera_mode, kind, unit, taken_at, master_id
        """,
        observatory_id, rig_id, kind, since, limit,
    )  # fmt: skip
    return [DatedReading(**dict(row)) for row in rows]


async def rejected(
    db: Connection, observatory_id: UUID, *, rig_id: UUID | None = None, since: datetime | None = None,
    limit: int = 1000,
) -> list[RejectedMaster]:  # fmt: skip
    """Return the newest masters whose readings are left out, in order of time."""
    rows = await db.fetch(
        """
        SELECT * FROM (
            SELECT id, rig_id, camera_mode, frame_type, coalesce(taken_at, created_at) AS taken_at, state, reasons
            FROM master WHERE observatory_id = $1 AND state IN ('rejected', 'needs-review')
                AND ($2::uuid IS NULL OR rig_id = $2)
                AND ($3::timestamptz IS NULL OR coalesce(taken_at, created_at) >= $3)
            ORDER BY coalesce(taken_at, created_at) DESC LIMIT $4
        ) AS newest ORDER BY taken_at, id
        """,
        observatory_id, rig_id, since, limit,
    )  # fmt: skip
    return [RejectedMaster(**{**dict(row), "reasons": tuple(row["reasons"])}) for row in rows]
