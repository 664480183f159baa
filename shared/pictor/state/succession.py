"""Lights that were measured with masters which were superseded since."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pictor.state.database import Connection
from pictor.state.frames import SELECT, Frame, frame_of


@dataclass(frozen=True, slots=True)
class Replaced:
    """A superseded master a light was measured with, and the place it had."""

    place: str
    master_id: UUID
    superseded_at: datetime | None
    superseded_by: UUID | None
    made_at: datetime
    """When the light was measured."""


@dataclass(frozen=True, slots=True)
class LightsAlike:
    """Lights of one set that state the same values, and one of them; ``bare`` ones had no master in that place."""

    example: Frame
    ids: tuple[UUID, ...]
    bare: bool = False


async def replaced(db: Connection, frame_id: UUID) -> list[Replaced]:
    """Return the superseded masters a light was measured with."""
    rows = await db.fetch(
        """
        SELECT u.place, m.id AS master_id, m.superseded_at, m.superseded_by, c.made_at
        FROM frame_calibration c
        CROSS JOIN LATERAL (VALUES ('dark', c.dark_id), ('flat', c.flat_id), ('bias', c.bias_id)) u (place, id)
        JOIN master m ON m.id = u.id AND m.state = 'superseded' WHERE c.frame_id = $1 ORDER BY u.place
        """,
        frame_id,
    )
    return [Replaced(**dict(row)) for row in rows]


_HEIRS = """
    WITH RECURSIVE older AS (
        SELECT id FROM master WHERE observatory_id = $1 AND superseded_by = $2 AND state = 'superseded'
        UNION SELECT m.id FROM master m JOIN older o ON m.superseded_by = o.id
        WHERE m.observatory_id = $1 AND m.state = 'superseded'
    ), used AS (
        SELECT c.frame_id, false AS bare FROM older o JOIN frame_calibration c ON c.dark_id = o.id
        UNION SELECT c.frame_id, false FROM older o JOIN frame_calibration c ON c.flat_id = o.id
        UNION SELECT c.frame_id, false FROM older o JOIN frame_calibration c ON c.bias_id = o.id
        UNION (
            SELECT f.id, true FROM master m
            JOIN frame f ON f.observatory_id = $1 AND f.camera_mode = m.camera_mode AND f.frame_type = 'light'
            JOIN frame_calibration c ON c.frame_id = f.id
            WHERE m.id = $2 AND c.made_at < m.created_at AND CASE m.frame_type WHEN 'flat' THEN c.flat_id IS NULL
                ELSE c.dark_id IS NULL AND (c.bias_id IS NULL OR m.frame_type <> 'bias') END
            ORDER BY f.start_utc DESC LIMIT $3
        )
    )
"""


async def measured_before(
    db: Connection, observatory_id: UUID, master_id: UUID, *, limit: int
) -> list[LightsAlike]:  # fmt: skip
    """Return the newest lights measured with a predecessor of a master, or before there was any; those alike together.

    A light that is ordered to be processed again already is left out.
    """
    rows = await db.fetch(
        f"""
        {_HEIRS}, newest AS (
            SELECT f.*, u.bare FROM used u JOIN frame f ON f.id = u.frame_id
            WHERE f.observatory_id = $1 AND f.state = 'registered' AND NOT EXISTS (
                SELECT FROM job j WHERE j.frame_id = f.id AND j.kind = 'reprocess' AND j.state IN ('pending', 'running')
            ) ORDER BY f.start_utc DESC NULLS LAST LIMIT $3
        )
        SELECT array_agg(id ORDER BY start_utc, id) AS ids, bare FROM newest
        GROUP BY bare, rig_id, camera_mode, night, target, filter, exposure_s, set_temp_c, round(ccd_temp_c::numeric),
            round(rotator_deg::numeric)
        """,  # noqa: S608 - a constant of this module
        observatory_id, master_id, limit,
    )  # fmt: skip
    alike = {row["ids"][0]: (tuple(row["ids"]), row["bare"]) for row in rows}
    found = await db.fetch(SELECT + "WHERE f.id = ANY($1) ORDER BY f.start_utc, f.id", list(alike))
    return [LightsAlike(frame_of(row), *alike[row["id"]]) for row in found]
