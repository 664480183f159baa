"""Bad pixels a person knows of, for one rig."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pictor.state.database import Connection


@dataclass(frozen=True, slots=True)
class StoredList:
    """A list as it was written, and by whom."""

    body: str
    version: int
    changed_by: str
    changed_at: datetime


async def list_of(db: Connection, observatory_id: UUID, rig_id: UUID | None) -> StoredList | None:
    """Return the list of a rig; None when there is none."""
    row = await db.fetchrow(
        """
        SELECT body, version, changed_by, changed_at FROM bad_pixel_list
        WHERE observatory_id = $1 AND rig_id = $2
        """,
        observatory_id, rig_id,
    )  # fmt: skip
    return None if row is None else StoredList(**dict(row))


async def save(db: Connection, observatory_id: UUID, rig_id: UUID, body: str, *, changed_by: str) -> None:
    """Replace the list of a rig."""
    await db.execute(
        """
        INSERT INTO bad_pixel_list AS known (observatory_id, rig_id, body, changed_by) VALUES ($1, $2, $3, $4)
        ON CONFLICT (observatory_id, rig_id) DO UPDATE SET body = excluded.body, version = known.version + 1,
            changed_by = excluded.changed_by, changed_at = now()
        """,
        observatory_id, rig_id, body, changed_by,
    )  # fmt: skip


async def remove(db: Connection, observatory_id: UUID, rig_id: UUID) -> bool:
    """Remove the list of a rig; False when there is none."""
    gone = await db.fetchval(
        "DELETE FROM bad_pixel_list WHERE observatory_id = $1 AND rig_id = $2 RETURNING true", observatory_id, rig_id
    )
    return bool(gone)


async def largest_frame(db: Connection, observatory_id: UUID, rig_id: UUID) -> tuple[int, int] | None:
    """Return rows and columns of the rig's sensor in unbinned pixels, as its largest calibration frame shows it."""
    row = await db.fetchrow(
        """
        SELECT max(height * coalesce(binning_y, 1)) AS rows, max(width * coalesce(binning_x, 1)) AS columns
        FROM frame WHERE observatory_id = $1 AND rig_id = $2 AND state = 'registered'
            AND frame_type IN ('dark', 'flat', 'bias', 'flat-dark')
        """,
        observatory_id, rig_id,
    )  # fmt: skip
    return None if row is None or row["rows"] is None else (row["rows"], row["columns"])
