"""Frames: registered once per observatory and content, described by ingest."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pictor.contracts.frames import FrameState, FrameType
from pictor.state.database import Connection

DESCRIBED = (
    "is_master", "filter", "exposure_s", "gain_setting", "offset_setting", "egain",
    "binning_x", "binning_y", "width", "height", "planes", "bayer", "readout_mode", "roi_x", "roi_y",
    "set_temp_c", "ccd_temp_c", "rotator_deg", "camera", "program", "n_combined",
)  # fmt: skip
"""Columns that copy the field of the same name of a description, for searching and grouping."""


CONTENT_LOCK = 7_420_116
"""First key of the advisory locks that keep arrival and deletion of the same bytes apart."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One exposure as stored."""

    id: UUID
    observatory_id: UUID
    observatory: str
    rig_id: UUID | None
    rig: str | None
    sha256: str
    size: int
    name: str
    raw_key: str
    state: FrameState
    reason: str | None
    message: str | None
    received_at: datetime
    uploaded_by: str | None
    metadata: dict[str, Any]
    frame_type: FrameType | None
    is_master: bool
    filter: str | None
    exposure_s: float | None
    target: str | None
    start_utc: datetime | None
    night: date | None
    camera_mode: str | None
    description: dict[str, Any] | None
    cards: list[list[Any]] | None
    statistics: dict[str, Any] | None
    geometry: dict[str, Any] | None
    observation: dict[str, Any] | None
    warnings: list[str]


SELECT = """
    SELECT f.*, o.slug AS observatory, r.name AS rig
    FROM frame f JOIN observatory o ON o.id = f.observatory_id LEFT JOIN rig r ON r.id = f.rig_id
"""


def frame_of(row: Any) -> Frame:  # noqa: ANN401 - an asyncpg record
    """Make a frame from a row of ``SELECT``."""
    values = {name: row[name] for name in Frame.__dataclass_fields__}
    values["state"] = FrameState(row["state"])
    values["frame_type"] = FrameType(row["frame_type"]) if row["frame_type"] else None
    return Frame(**values)


async def create(
    db: Connection, frame_id: UUID, observatory_id: UUID, *,
    rig_id: UUID | None, sha256: str, size: int, name: str, raw_key: str, uploaded_by: str | None,
    metadata: dict[str, Any],
) -> bool:  # fmt: skip
    """Insert a received frame; False when this observatory has these bytes already."""
    answer = await db.fetchval(
        """
        INSERT INTO frame (id, observatory_id, rig_id, sha256, size, name, raw_key, uploaded_by, metadata)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (observatory_id, sha256) DO NOTHING RETURNING true
        """,
        frame_id, observatory_id, rig_id, sha256, size, name, raw_key, uploaded_by, metadata,
    )  # fmt: skip
    return bool(answer)


async def get(db: Connection, frame_id: UUID, observatories: list[UUID] | None = None) -> Frame | None:
    """Return a frame of the given observatories (None: of any)."""
    row = await db.fetchrow(
        SELECT + "WHERE f.id = $1 AND ($2::uuid[] IS NULL OR f.observatory_id = ANY($2))", frame_id, observatories
    )
    return None if row is None else frame_of(row)


async def by_content(db: Connection, observatory_id: UUID, sha256: str) -> Frame | None:
    """Return the frame with these bytes, if this observatory has it."""
    row = await db.fetchrow(SELECT + "WHERE f.observatory_id = $1 AND f.sha256 = $2", observatory_id, sha256)
    return None if row is None else frame_of(row)


async def register(
    db: Connection, frame_id: UUID, *, description: dict[str, Any], camera_mode: str, night: date | None,
    cards: list[list[Any]], statistics: dict[str, Any], geometry: dict[str, Any], warnings: list[str],
) -> None:  # fmt: skip
    """Record what ingest found; describing again replaces it."""
    start = description.get("start_utc")
    columns = ", ".join(f"{name} = (jsonb_populate_record(NULL::frame, $2)).{name}" for name in DESCRIBED)
    await db.execute(
        f"""
        UPDATE frame SET state = 'registered', reason = NULL, message = NULL, description = $2, frame_type = $3,
            {columns}, target = coalesce($4, target), start_utc = $5, night = $6, camera_mode = $7, cards = $8,
            statistics = $9, geometry = $10, warnings = $11, not_stacked = NULL
        WHERE id = $1
        """,  # noqa: S608 - column names are constants of this module
        frame_id, description, description["frame_type"], description.get("target_name"),
        datetime.fromisoformat(start) if start else None, night, camera_mode, cards,
        statistics, geometry, warnings,
    )  # fmt: skip


async def quarantine(db: Connection, frame_id: UUID, *, reason: str, message: str) -> None:
    """Keep the bytes, but say why they are not processed."""
    await db.execute(
        "UPDATE frame SET state = 'quarantined', reason = $2, message = $3 WHERE id = $1", frame_id, reason, message
    )


async def flag_source(db: Connection, frame_id: UUID, *, reason: str, message: str) -> None:
    """Say on the frame that its stored bytes are gone or damaged, until they are registered anew."""
    await db.execute("UPDATE frame SET reason = $2, message = $3 WHERE id = $1", frame_id, reason, message)


async def save_observation(
    db: Connection, frame_id: UUID, observation: dict[str, Any], night: date | None, warnings: list[str]
) -> None:
    """Record the observation facts of a frame."""
    await db.execute(
        """
        UPDATE frame SET observation = $2, night = coalesce($3, night),
            warnings = (
                SELECT coalesce(jsonb_agg(DISTINCT w), '[]'::jsonb)
                FROM jsonb_array_elements(warnings || $4::jsonb) AS w
            )
        WHERE id = $1
        """,
        frame_id, observation, night, warnings,
    )  # fmt: skip


async def lock_content(db: Connection, raw_key: str) -> None:
    """Let one arrival or deletion of the same bytes happen at a time, until the transaction ends."""
    await db.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", CONTENT_LOCK, raw_key)
