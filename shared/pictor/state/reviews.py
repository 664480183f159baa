"""What people decide about masters: accept or reject a candidate, recall one that was used."""

from uuid import UUID

from pictor.state import masters
from pictor.state.database import Connection
from pictor.state.masters import Master


async def lock(db: Connection, master_id: UUID) -> Master | None:
    """Return a master with the library of its camera mode locked; nothing decides about it until the end."""
    known = await masters.get(db, master_id)
    if known is None:
        return None
    await masters.lock_library(db, known.observatory_id, known.camera_mode)
    await db.execute("SELECT FROM master WHERE id = $1 FOR UPDATE", master_id)
    return await masters.get(db, master_id)


async def accept(db: Connection, master: Master, *, by: str, because: str) -> list[UUID]:
    """Let a locked candidate replace the active master of its group; return what it supersedes.

    The reason joins what the gate found, so that whoever looks at the master knows both.
    """
    rows = await db.fetch(
        """
        UPDATE master SET state = 'superseded', superseded_at = now(), superseded_by = $3
        WHERE observatory_id = $1 AND group_key = $2 AND state = 'active' AND id <> $3 RETURNING id
        """,
        master.observatory_id, master.group_key, master.id,
    )  # fmt: skip
    await db.execute(
        """
        UPDATE master SET state = 'active', reviewed_at = now(), reviewed_by = $2,
            reasons = array_append(reasons, $3::text) WHERE id = $1
        """,
        master.id, by, because,
    )  # fmt: skip
    await masters.claim_frames(db, master.id)
    return [row["id"] for row in rows]


async def reject(db: Connection, master_id: UUID, *, by: str, because: str) -> None:
    """Reject a locked candidate; the reason joins those of the gate."""
    await db.execute(
        """
        UPDATE master SET state = 'rejected', reviewed_at = now(), reviewed_by = $2,
            reasons = array_append(reasons, $3::text) WHERE id = $1
        """,
        master_id, by, because,
    )  # fmt: skip


async def recall(db: Connection, master_id: UUID, *, by: str, because: str) -> None:
    """Take a locked master out of use for good; its frames are free again, and no retention counts their use."""
    await db.execute(
        """
        UPDATE master SET state = 'rejected', recalled_at = now(), recalled_by = $2, recall_reason = $3,
            reasons = array_append(reasons, 'recalled: ' || $3::text) WHERE id = $1
        """,
        master_id, by, because,
    )  # fmt: skip
    await db.execute(
        """
        UPDATE frame f SET mastered_by = CASE WHEN f.mastered_by = $1 THEN NULL ELSE f.mastered_by END, used_at = (
            SELECT min(m.created_at) FROM master_component c JOIN master m ON m.id = c.master_id
            WHERE c.frame_id = f.id AND m.state IN ('active', 'superseded')
        ) WHERE f.id IN (SELECT frame_id FROM master_component WHERE master_id = $1)
        """,
        master_id,
    )


async def reinstate(db: Connection, recalled: Master) -> UUID | None:
    """Put the newest older master of a group that lost its active one into use again; None if there is none."""
    older: UUID | None = await db.fetchval(
        """
        UPDATE master SET state = 'active', superseded_at = NULL, superseded_by = NULL WHERE id = (
            SELECT m.id FROM master m
            WHERE m.observatory_id = $1 AND m.group_key = $2 AND m.state = 'superseded' AND m.id <> $3
                AND EXISTS (SELECT FROM product p WHERE p.master_id = m.id AND p.kind = 'master')
            ORDER BY m.created_at DESC, m.id LIMIT 1
        ) AND NOT EXISTS (
            SELECT FROM master a WHERE a.observatory_id = $1 AND a.group_key = $2 AND a.state = 'active'
        ) RETURNING id
        """,
        recalled.observatory_id, recalled.group_key, recalled.id,
    )  # fmt: skip
    if older is not None:
        await masters.claim_frames(db, older)
    return older


async def doubt_flats(db: Connection, dark: Master, *, because: str) -> list[UUID]:
    """Write into every flat in or waiting for use that a recalled dark was taken off; return these flats."""
    told = f"the master dark taken off these flats was recalled: {because}; stacked again once there is another"
    rows = await db.fetch(
        """
        UPDATE master SET reasons = array_append(reasons, $3::text)
        WHERE observatory_id = $1 AND camera_mode = $4 AND statistics->'made_with'->>'dark_id' = $2::uuid::text
            AND state IN ('active', 'superseded', 'needs-review') RETURNING id
        """,
        dark.observatory_id, dark.id, told, dark.camera_mode,
    )  # fmt: skip
    return sorted(row["id"] for row in rows)


async def has_pixels(db: Connection, master_id: UUID) -> bool:
    """Say whether the file of a master is recorded."""
    found: bool = await db.fetchval(
        "SELECT EXISTS (SELECT FROM product WHERE master_id = $1 AND kind = 'master')", master_id
    )
    return found


_USERS = """
    FROM (
        SELECT frame_id FROM frame_calibration WHERE dark_id = $1
        UNION SELECT frame_id FROM frame_calibration WHERE flat_id = $1
        UNION SELECT frame_id FROM frame_calibration WHERE bias_id = $1
        UNION SELECT frame_id FROM product WHERE kind IN ('calibrated', 'calibrated-clean')
            AND parameters->'master_ids' ? $1::uuid::text AND frame_id IS NOT NULL
    ) used
"""


async def lights_of(db: Connection, master_id: UUID, *, limit: int) -> tuple[list[UUID], int]:
    """Return lights that were measured or calibrated with a master, and how many there are."""
    rows = await db.fetch(f"SELECT frame_id {_USERS} ORDER BY frame_id LIMIT $2", master_id, limit)
    total: int = await db.fetchval(f"SELECT count(*) {_USERS}", master_id)
    return [row["frame_id"] for row in rows], total


async def to_redo(db: Connection, modules: list[str], *, limit: int) -> list[tuple[UUID, UUID]]:
    """Return (light, observatory) measured with a recalled master and not ordered to be processed again since.

    Observatories that switched all of these modules off are left out: their lights would wait before all others.
    """
    rows = await db.fetch(
        """
        SELECT DISTINCT f.id, f.observatory_id FROM master m JOIN LATERAL (
            SELECT frame_id FROM frame_calibration WHERE dark_id = m.id
            UNION ALL SELECT frame_id FROM frame_calibration WHERE flat_id = m.id
            UNION ALL SELECT frame_id FROM frame_calibration WHERE bias_id = m.id
        ) u ON true JOIN frame f ON f.id = u.frame_id JOIN observatory o ON o.id = f.observatory_id
        WHERE NOT o.modules_off @> $2 AND m.recalled_at IS NOT NULL AND f.state = 'registered' AND NOT EXISTS (
            SELECT FROM job j WHERE j.frame_id = f.id AND j.kind = 'reprocess'
                AND (j.state IN ('pending', 'running') OR j.created_at >= m.recalled_at)
        ) LIMIT $1
        """,
        limit, modules,
    )  # fmt: skip
    return [(row["id"], row["observatory_id"]) for row in rows]
