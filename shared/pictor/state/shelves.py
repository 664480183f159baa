"""What pages show of the calibration library beside its lists: groups that wait, components and use."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pictor.contracts.frames import FrameType
from pictor.contracts.masters import MasterState
from pictor.state.database import Connection
from pictor.state.groups import Note


@dataclass(frozen=True, slots=True)
class MasterNote:
    """What a line of the library does not say about a master."""

    id: UUID
    state: MasterState
    reasons: tuple[str, ...]
    origin: str
    expired_at: datetime | None
    recall_reason: str | None


@dataclass(frozen=True, slots=True)
class ActiveMaster:
    """A master in use and what it is of."""

    id: UUID
    frame_type: FrameType
    group_key: str
    facts: dict[str, Any]
    ncombine: int
    aged_from: datetime | None


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of an individual frame."""

    not_stacked: tuple[str, ...] | None
    mastered_by: UUID | None
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Component:
    """A frame a master was made of; without a name it was deleted since."""

    frame_id: UUID
    sha256: str
    name: str | None
    start_utc: datetime | None
    exposure_s: float | None
    ccd_temp_c: float | None


@dataclass(frozen=True, slots=True)
class LightUse:
    """A light that was measured with a master."""

    frame_id: UUID
    name: str
    target: str | None
    filter: str | None
    start_utc: datetime | None
    made_at: datetime
    weak: bool


@dataclass(frozen=True, slots=True)
class DarkPicture:
    """A master dark of a whole sensor that has a picture, and how the picture lies on the sensor."""

    master_id: UUID
    width: int
    height: int
    binning: int
    row_order: str | None
    exposure_s: float | None
    taken_at: datetime | None


async def notes(db: Connection, observatory_id: UUID, *, limit: int = 500) -> list[Note]:
    """Return what was last decided about each group of an observatory, those that wait first."""
    rows = await db.fetch(
        """
        SELECT * FROM calibration_note WHERE observatory_id = $1
        ORDER BY array_position(ARRAY['defer', 'accumulate', 'stack'], decision), group_key LIMIT $2
        """,
        observatory_id, limit,
    )  # fmt: skip
    return [Note(**{name: row[name] for name in Note.__dataclass_fields__}) for row in rows]


async def cameras_and_filters(db: Connection, observatory_id: UUID) -> tuple[list[str], list[str]]:
    """Return the cameras and filters of an observatory's masters, for choosing among them."""
    row = await db.fetchrow(
        """
        SELECT array_agg(DISTINCT camera_name) FILTER (WHERE camera_name IS NOT NULL) AS cameras,
            array_agg(DISTINCT filter) FILTER (WHERE filter IS NOT NULL) AS filters
        FROM master WHERE observatory_id = $1
        """,
        observatory_id,
    )
    return (sorted(row["cameras"] or []), sorted(row["filters"] or [])) if row else ([], [])


async def master_notes(db: Connection, master_ids: list[UUID]) -> dict[UUID, MasterNote]:
    """Return what the lists leave out about some masters."""
    rows = await db.fetch(
        "SELECT id, state, reasons, origin, expired_at, recall_reason FROM master WHERE id = ANY($1)", master_ids
    )
    return {
        row["id"]: MasterNote(
            row["id"], MasterState(row["state"]), tuple(row["reasons"]), row["origin"], row["expired_at"],
            row["recall_reason"],
        )
        for row in rows
    }  # fmt: skip


async def individual_choices(db: Connection, observatory_id: UUID) -> tuple[list[str], list[str]]:
    """Return the cameras and filters of the groups that individual frames are in, for choosing among them."""
    rows = await db.fetch(
        """
        SELECT DISTINCT f.camera, f.filter FROM (
            SELECT camera, filter FROM frame WHERE observatory_id = $1 AND state = 'registered' AND NOT is_master
                AND frame_type IN ('dark', 'flat', 'bias', 'flat-dark') ORDER BY received_at DESC, id LIMIT 2000
        ) f
        """,
        observatory_id,
    )
    return sorted({r["camera"] for r in rows if r["camera"]}), sorted({r["filter"] for r in rows if r["filter"]})


async def active_masters(db: Connection, observatory_id: UUID, *, limit: int = 2000) -> list[ActiveMaster]:
    """Return the masters in use at an observatory."""
    rows = await db.fetch(
        """
        SELECT id, frame_type, group_key, facts, ncombine, aged_from FROM master
        WHERE observatory_id = $1 AND state = 'active' ORDER BY created_at DESC LIMIT $2
        """,
        observatory_id, limit,
    )  # fmt: skip
    return [
        ActiveMaster(
            **{name: row[name] for name in ActiveMaster.__dataclass_fields__}
            | {"frame_type": FrameType(row["frame_type"])}
        )
        for row in rows
    ]


async def fate_of(db: Connection, frame_id: UUID) -> Fate | None:
    """Return whether an individual frame may be stacked, and the active master it is in."""
    row = await db.fetchrow("SELECT not_stacked, mastered_by, used_at FROM frame WHERE id = $1", frame_id)
    if row is None:
        return None
    refused = None if row["not_stacked"] is None else tuple(row["not_stacked"])
    return Fate(refused, row["mastered_by"], row["used_at"])


async def components(db: Connection, master_id: UUID) -> list[Component]:
    """Return the frames of a master, those that were deleted since included."""
    rows = await db.fetch(
        """
        SELECT c.frame_id, c.sha256, f.name, f.start_utc, f.exposure_s, f.ccd_temp_c
        FROM master_component c LEFT JOIN frame f ON f.id = c.frame_id
        WHERE c.master_id = $1 ORDER BY f.start_utc, c.sha256
        """,
        master_id,
    )
    return [Component(**{name: row[name] for name in Component.__dataclass_fields__}) for row in rows]


async def lights(db: Connection, observatory_id: UUID, master_id: UUID, *, limit: int) -> tuple[list[LightUse], int]:
    """Return the lights last measured with a master, newest first, and how many there are."""
    among = "FROM frame_calibration u JOIN frame f ON f.id = u.frame_id WHERE f.observatory_id = $1"
    among += " AND (u.dark_id = $2 OR u.flat_id = $2 OR u.bias_id = $2)"
    rows = await db.fetch(
        f"""
        SELECT u.frame_id, f.name, f.target, f.filter, f.start_utc, u.made_at, u.weak {among}
        ORDER BY f.start_utc DESC NULLS LAST LIMIT $3
        """,
        observatory_id, master_id, limit,
    )  # fmt: skip
    total: int = await db.fetchval(f"SELECT count(*) {among}", observatory_id, master_id)
    return [LightUse(**{name: row[name] for name in LightUse.__dataclass_fields__}) for row in rows], total


async def dark_picture(db: Connection, observatory_id: UUID, rig_id: UUID) -> DarkPicture | None:
    """Return the longest active master dark of a rig's whole sensor that has a picture: it shows hot pixels best."""
    row = await db.fetchrow(
        """
        SELECT m.id AS master_id, (m.facts#>>'{mode,width}')::integer AS width,
            (m.facts#>>'{mode,height}')::integer AS height, coalesce(m.binning_x, 1) AS binning, m.exposure_s,
            m.taken_at, (
                SELECT f.description->>'row_order' FROM frame f
                WHERE f.observatory_id = $1 AND f.camera_mode = m.camera_mode AND f.state = 'registered' LIMIT 1
            ) AS row_order
        FROM master m WHERE m.observatory_id = $1 AND m.rig_id = $2 AND m.state = 'active'
            AND m.frame_type IN ('dark', 'flat-dark') AND m.facts#>>'{mode,roi_x}' IS NULL
            AND m.facts#>>'{mode,width}' IS NOT NULL
            AND EXISTS (SELECT FROM product p WHERE p.master_id = m.id AND p.kind = 'preview')
        ORDER BY coalesce(m.binning_x, 1), m.exposure_s DESC NULLS LAST, m.created_at DESC LIMIT 1
        """,
        observatory_id, rig_id,
    )  # fmt: skip
    return None if row is None else DarkPicture(**dict(row))
