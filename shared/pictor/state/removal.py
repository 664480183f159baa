"""Masters deleted with all that hangs on them, and what a deletion would take along."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pictor.state.database import Connection
from pictor.state.frames import SELECT, Frame, frame_of
from pictor.state.light_sets import forget_calibrated
from pictor.state.masters import Master, lock_library


@dataclass(frozen=True, slots=True)
class Weight:
    """Rows by table, objects and bytes that go."""

    rows: Mapping[str, int]
    objects: int
    size: int
    calibrated: int
    """Cached calibrated lights among the objects."""


@dataclass(frozen=True, slots=True)
class Alike:
    """Lights that state the same values, and one of them."""

    example: Frame
    count: int


MAX_KINDS = 400
"""Kinds of lights looked at before a deletion; a month of one camera has fewer."""


async def weigh_master(db: Connection, master_id: UUID) -> Weight:
    """Count what the deletion of a master takes along."""
    row = await db.fetchrow(
        """
        WITH cached AS (
            SELECT size FROM product WHERE kind IN ('calibrated', 'calibrated-clean')
                AND parameters->'master_ids' ?| ARRAY[$1::uuid::text]
        ), own AS (SELECT size FROM product WHERE master_id = $1)
        SELECT (SELECT count(*) FROM own) AS own, (SELECT count(*) FROM cached) AS cached,
            (SELECT coalesce(sum(size), 0) FROM (TABLE own UNION ALL TABLE cached) o)::bigint AS size,
            (SELECT count(*) FROM master_component WHERE master_id = $1) AS master_component,
            (SELECT count(*) FROM detector_reading WHERE master_id = $1) AS detector_reading,
            (SELECT count(*) FROM light_set s JOIN master m ON m.observatory_id = s.observatory_id
                WHERE m.id = $1 AND s.masters::text LIKE '%' || $1::uuid || '%') AS light_set
        """,
        master_id,
    )
    rows = {name: row[name] for name in ("master_component", "detector_reading", "light_set")}
    rows = {"master": 1, "product": row["own"] + row["cached"], **rows}
    return Weight(rows, row["own"] + row["cached"], row["size"], row["cached"])


async def weigh_frame(db: Connection, frame_id: UUID) -> Weight:
    """Count what the deletion of an individual frame takes along."""
    row = await db.fetchrow(
        """
        SELECT f.size + (SELECT coalesce(sum(p.size), 0) FROM product p WHERE p.frame_id = f.id)::bigint AS size,
            (SELECT count(*) FROM product p WHERE p.frame_id = f.id) AS product,
            (SELECT count(*) FROM job j WHERE j.frame_id = f.id) AS job
        FROM frame f WHERE f.id = $1
        """,
        frame_id,
    )
    if row is None:
        return Weight({}, 0, 0, 0)
    return Weight({"frame": 1, "product": row["product"], "job": row["job"]}, row["product"] + 1, row["size"], 0)


async def recent_lights(db: Connection, observatory_id: UUID, camera_mode: str, since: datetime) -> list[Alike]:
    """Return the lights of a camera mode since a time, those of one night that state the same values together."""
    rows = await db.fetch(
        """
        SELECT (array_agg(id ORDER BY start_utc, id))[1] AS example, count(*) AS number FROM frame
        WHERE observatory_id = $1 AND camera_mode = $2 AND frame_type = 'light' AND state = 'registered'
            AND NOT is_master AND start_utc >= $3
        GROUP BY night, target, exposure_s, filter, set_temp_c, round(ccd_temp_c::numeric), round(rotator_deg::numeric)
        ORDER BY count(*) DESC LIMIT $4
        """,
        observatory_id, camera_mode, since, MAX_KINDS,
    )  # fmt: skip
    counts = {row["example"]: row["number"] for row in rows}
    found = await db.fetch(SELECT + "WHERE f.id = ANY($1)", list(counts))
    return [Alike(frame_of(row), counts[row["id"]]) for row in found]


async def hold_master(db: Connection, master: Master) -> str | None:
    """Keep decisions about a master's group and changes of it waiting; return the state it is in now, if any."""
    await lock_library(db, master.observatory_id, master.camera_mode)
    state: str | None = await db.fetchval("SELECT state FROM master WHERE id = $1 FOR UPDATE", master.id)
    return state


async def delete_master(db: Connection, master: Master) -> list[str]:
    """Delete a master's rows; a predecessor stays superseded. Call it in a transaction that holds the master.

    Returns
    -------
    list of str
        Keys of the objects nobody refers to any more: its own, and calibrated lights made with it.
    """
    keys = await forget_calibrated(db, master.observatory_id, [master.id], drop_sets=True)
    rows = await db.fetch("DELETE FROM product WHERE master_id = $1 RETURNING key", master.id)
    await db.execute(
        """
        UPDATE frame f SET
            mastered_by = (
                SELECT m.id FROM master_component o JOIN master m ON m.id = o.master_id
                WHERE o.frame_id = f.id AND m.id <> $1 AND m.state = 'active' ORDER BY m.created_at DESC LIMIT 1
            ),
            used_at = (
                SELECT min(m.created_at) FROM master_component o JOIN master m ON m.id = o.master_id
                WHERE o.frame_id = f.id AND m.id <> $1 AND m.state IN ('active', 'superseded')
            )
        FROM master_component c WHERE c.master_id = $1 AND c.frame_id = f.id
        """,
        master.id,
    )
    await db.execute("DELETE FROM detector_reading WHERE master_id = $1", master.id)
    await db.execute("DELETE FROM master WHERE id = $1", master.id)
    return keys + [row["key"] for row in rows]
