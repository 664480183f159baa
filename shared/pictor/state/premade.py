"""Ready-made masters that somebody uploaded: what was said about their bytes, and what became of them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pictor.contracts.masters import MasterState
from pictor.state.database import Connection
from pictor.state.frames import SELECT, Frame, frame_of

IN_HAND = 6
"""Individual frames an uploaded master is compared with, at most."""

RECENT = 2000
"""Newest frames of an observatory whose camera modes are known even when they are all lights."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What was said about bytes that are a master, and by whom."""

    stated: dict[str, Any]
    uploaded_by: str


@dataclass(frozen=True, slots=True)
class KnownMode:
    """A camera mode an observatory has frames of, as one of them describes it."""

    camera_mode: str
    rig_id: UUID | None
    description: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Individual frames like an uploaded master: None where a value does not matter."""

    camera_mode: str
    frame_type: str
    exposure_s: float | None
    exposure_tolerance_s: float
    filters: tuple[str, ...]
    temp_c: float | None
    temperature_tolerance_c: float


async def claim(db: Connection, observatory_id: UUID, sha256: str, claimed: Claimed) -> None:
    """Say that some bytes are a master; a frame that has them already is none of the individual ones any more."""
    await db.execute(
        """
        INSERT INTO master_upload (observatory_id, sha256, stated, uploaded_by) VALUES ($1, $2, $3, $4)
        ON CONFLICT (observatory_id, sha256) DO UPDATE SET stated = excluded.stated,
            uploaded_by = excluded.uploaded_by, uploaded_at = now()
        """,
        observatory_id, sha256, claimed.stated, claimed.uploaded_by,
    )  # fmt: skip
    await db.execute(
        "UPDATE frame SET is_master = true WHERE observatory_id = $1 AND sha256 = $2 AND NOT is_master",
        observatory_id, sha256,
    )  # fmt: skip


async def unclaim(db: Connection, observatory_id: UUID, sha256: str) -> None:
    """Forget what was said about bytes that were not kept."""
    await db.execute(
        """
        DELETE FROM master_upload u WHERE u.observatory_id = $1 AND u.sha256 = $2 AND NOT EXISTS (
            SELECT FROM frame f WHERE f.observatory_id = $1 AND f.sha256 = $2
        )
        """,
        observatory_id, sha256,
    )  # fmt: skip


async def claim_of(db: Connection, observatory_id: UUID, sha256: str) -> Claimed | None:
    """Return what was said about some bytes, if they were uploaded as a master."""
    row = await db.fetchrow(
        "SELECT stated, uploaded_by FROM master_upload WHERE observatory_id = $1 AND sha256 = $2",
        observatory_id, sha256,
    )  # fmt: skip
    return None if row is None else Claimed(row["stated"], row["uploaded_by"])


async def open_job(db: Connection, frame_id: UUID) -> UUID | None:
    """Return the open job that judges an uploaded master."""
    job_id: UUID | None = await db.fetchval(
        "SELECT id FROM job WHERE frame_id = $1 AND kind = 'stack' AND state IN ('pending', 'running')", frame_id
    )
    return job_id


async def made_of(
    db: Connection, observatory_id: UUID, sha256: str, stated: dict[str, Any]
) -> tuple[UUID, MasterState] | None:
    """Return the master that was made of the same bytes and statements, unless it was rejected or recalled."""
    row = await db.fetchrow(
        """
        SELECT id, state FROM master WHERE observatory_id = $1 AND origin = 'upload'
            AND state IN ('active', 'superseded', 'needs-review') AND statistics->'upload'->>'sha256' = $2
            AND statistics->'upload'->'stated' = $3::jsonb ORDER BY created_at DESC LIMIT 1
        """,
        observatory_id, sha256, stated,
    )  # fmt: skip
    return None if row is None else (row["id"], MasterState(row["state"]))


async def known_modes(db: Connection, observatory_id: UUID) -> list[KnownMode]:
    """Return the camera modes of an observatory: those of its calibration frames and of its newest frames."""
    rows = await db.fetch(
        """
        SELECT DISTINCT ON (camera_mode) camera_mode, rig_id, description FROM (
            SELECT f.camera_mode, f.rig_id, f.description FROM calibration_mode c JOIN LATERAL (
                SELECT camera_mode, rig_id, description FROM frame WHERE observatory_id = c.observatory_id
                    AND camera_mode = c.camera_mode AND frame_type <> 'light' AND NOT is_master LIMIT 1
            ) f ON true WHERE c.observatory_id = $1
            UNION ALL SELECT * FROM (
                SELECT camera_mode, rig_id, description FROM frame WHERE observatory_id = $1
                    AND state = 'registered' AND NOT is_master ORDER BY received_at DESC LIMIT $2
            ) newest
        ) known WHERE camera_mode IS NOT NULL AND description IS NOT NULL ORDER BY camera_mode
        """,
        observatory_id, RECENT,
    )  # fmt: skip
    return [KnownMode(row["camera_mode"], row["rig_id"], row["description"]) for row in rows]


async def usual_level(
    db: Connection, observatory_id: UUID, camera_mode: str, frame_type: str, exposure_s: float | None
) -> float | None:
    """Return the median level of the individual frames of a kind, camera mode and exposure, in ADU."""
    level: float | None = await db.fetchval(
        """
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY (statistics->>'median')::float8) FROM (
            SELECT statistics FROM frame WHERE observatory_id = $1 AND camera_mode = $2 AND frame_type = $3
                AND state = 'registered' AND NOT is_master AND statistics->>'median' IS NOT NULL
                AND ($4::float8 IS NULL OR abs(exposure_s - $4) <= greatest(0.05, 0.005 * $4)) LIMIT 200
        ) taken
        """,
        observatory_id, camera_mode, frame_type, exposure_s,
    )  # fmt: skip
    return level


async def in_hand(db: Connection, observatory_id: UUID, wanted: Wanted) -> list[Frame]:
    """Return the newest admitted individual frames of the group of a master."""
    kinds = ["dark", "flat-dark"] if wanted.frame_type in {"dark", "flat-dark"} else [wanted.frame_type]
    rows = await db.fetch(
        f"""
        {SELECT}
        WHERE f.observatory_id = $1 AND f.camera_mode = $2 AND f.frame_type = ANY($3) AND f.state = 'registered'
            AND NOT f.is_master AND f.not_stacked = '{{}}'
            AND ($4::float8 IS NULL OR abs(f.exposure_s - $4) <= $5)
            AND (f.frame_type <> 'flat' OR f.filter = ANY($6) OR (f.filter IS NULL AND cardinality($6::text[]) = 0))
            AND ($7::float8 IS NULL OR abs(coalesce(f.set_temp_c, f.ccd_temp_c) - $7) <= $8)
        ORDER BY coalesce(f.start_utc, f.received_at) DESC, f.id LIMIT $9
        """,
        observatory_id, wanted.camera_mode, kinds, wanted.exposure_s, wanted.exposure_tolerance_s, list(wanted.filters),
        wanted.temp_c, wanted.temperature_tolerance_c, IN_HAND,
    )  # fmt: skip
    return [frame_of(row) for row in rows]


async def older(db: Connection, master_id: UUID, frame_ids: list[UUID]) -> set[UUID]:
    """Return the frames that were there before an uploaded master: it stands for them, though it has no components."""
    rows = await db.fetch(
        """
        SELECT f.id FROM frame f JOIN master m ON m.id = $1 WHERE f.id = ANY($2) AND f.received_at <= m.created_at
        """,
        master_id, frame_ids,
    )  # fmt: skip
    return {row["id"] for row in rows}
